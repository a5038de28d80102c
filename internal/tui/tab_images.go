package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// imagesTab has the local images.
type imagesTab struct{}

func (imagesTab) name() string { return "Images" }

func (imagesTab) columns() []column {
	return []column{
		{title: "NAME"},
		{title: "SIZE", right: true, drop: 2},
		{title: "VMS", right: true, drop: 1},
		{title: "KERNEL", drop: 4},
		{title: "FROM", drop: 3, grow: true},
		{title: "AGE", right: true, drop: 5},
	}
}

func (imagesTab) rows(m *Model) []row {
	var rows []row
	for _, i := range m.world.images {
		rows = append(rows, row{id: i.ID + " " + i.Name, cells: []cell{
			{text: line(imageName(i))},
			{text: fault.Bytes(i.DiskUsage)},
			{text: fmt.Sprint(i.VMs)},
			{text: line(i.Kernel), tone: toneDim},
			{text: line(i.Ref), tone: toneDim},
			m.theme.age(m.now, &i.CreatedAt),
		}})
	}
	return rows
}

// imageName is the name of an image, or the beginning of its ID.
func imageName(i api.Image) string { return firstOf(i.Name, i.ID[:min(len(i.ID), 12)]) }

func (m *Model) image(id string) (api.Image, bool) {
	for _, i := range m.world.images {
		if i.ID+" "+i.Name == id {
			return i, true
		}
	}
	return api.Image{}, false
}

func (imagesTab) detail(m *Model, id string) []string {
	i, _ := m.image(id)
	out := []string{line(i.Ref), line(i.Digest), line(i.OS + "/" + i.Architecture)}
	if words := append(append([]string(nil), i.Entrypoint...), i.Cmd...); len(words) > 0 {
		out[2] += ", runs " + commandText(words)
	}
	if i.Problem != "" {
		out = append([]string{line(i.Problem)}, out...)
	}
	return out
}

func (imagesTab) empty(m *Model) string {
	return "There are no images. A VM pulls the one that it needs, or pull one: " + m.keys.key(ActCommand) + ", then " + strings.TrimPrefix(typed(act.ImagePull.On("")), "banger ")
}

func (imagesTab) hints(m *Model) []string {
	return []string{m.keys.hint(ActNew, "new VM"), m.keys.hint(ActMenu, "pull…"), m.keys.hint(ActDelete, "delete")}
}

func (imagesTab) do(m *Model, action string, ids []string) tea.Cmd {
	if action == ActMenu {
		m.open(newCommand(m, strings.TrimPrefix(typed(act.ImagePull.On("")), "banger ")))
		return nil
	}
	if action != ActDelete || len(ids) == 0 {
		return nil
	}
	var names []string
	for _, id := range ids {
		if i, ok := m.image(id); ok {
			names = append(names, imageName(i))
			if i.VMs > 0 {
				m.say(toneBad, line(imageName(i))+" is used by "+fault.Count(i.VMs, "VM"))
				return nil
			}
		}
	}
	return askDelete(m, "image", names, act.ImageDelete, func(ctx context.Context, a API, name string) error { return a.DeleteImage(ctx, name) })
}

// askDelete asks whether to delete images or kernels.
func askDelete(m *Model, kind string, names []string, verb act.Named, work func(ctx context.Context, a API, name string) error) tea.Cmd {
	if len(names) == 0 {
		return nil
	}
	m.open(&question{
		ask: "Delete the " + kind + " " + line(strings.Join(names, ", ")) + "?", loses: "Its files are deleted. No VM uses them.", command: typed(verb.On(names[0])), yes: "delete",
		do: func(m *Model) tea.Cmd {
			m.list().marks = nil
			var all []tea.Cmd
			for _, name := range names {
				all = append(all, do(m, "deleted "+name, typed(verb.On(name)), func(ctx context.Context, a API) error { return work(ctx, a, name) }))
			}
			return tea.Batch(all...)
		},
	})
	return nil
}
