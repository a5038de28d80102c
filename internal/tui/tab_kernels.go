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

// kernelsTab has the local kernels.
type kernelsTab struct{}

func (kernelsTab) name() string { return "Kernels" }

func (kernelsTab) columns() []column {
	return []column{
		{title: "NAME"},
		{title: "VERSION", grow: true},
		{title: "SIZE", right: true, drop: 1},
		{title: "VMS", right: true, drop: 2},
		{title: "SOURCE", drop: 4, grow: true},
		{title: "AGE", right: true, drop: 3},
	}
}

func (kernelsTab) rows(m *Model) []row {
	var rows []row
	for _, k := range m.world.kernels {
		rows = append(rows, row{id: k.Name, cells: []cell{
			{text: line(k.Name)},
			{text: line(k.Version)},
			{text: fault.Bytes(k.SizeBytes)},
			{text: fmt.Sprint(k.VMs)},
			{text: line(k.Source), tone: toneDim},
			m.theme.age(m.now, &k.ImportedAt),
		}})
	}
	return rows
}

func (m *Model) kernel(name string) (api.Kernel, bool) {
	for _, k := range m.world.kernels {
		if k.Name == name {
			return k, true
		}
	}
	return api.Kernel{}, false
}

func (kernelsTab) detail(m *Model, id string) []string {
	k, _ := m.kernel(id)
	out := []string{line(k.Source), line(k.Architecture) + ", " + fault.Count(k.Modules, "module")}
	for _, step := range k.Trust {
		out = append(out, line(step))
	}
	return out
}

func (kernelsTab) empty(m *Model) string {
	return "There are no kernels. A VM pulls the one that it needs, or pull one: " + m.keys.key(ActCommand) + ", then " + strings.TrimPrefix(typed(act.KernelPull.On("")), "banger ")
}

func (kernelsTab) hints(m *Model) []string {
	return []string{m.keys.hint(ActMenu, "pull…"), m.keys.hint(ActDelete, "delete")}
}

func (kernelsTab) do(m *Model, action string, ids []string) tea.Cmd {
	if action == ActMenu {
		m.open(newCommand(m, strings.TrimPrefix(typed(act.KernelPull.On("")), "banger ")))
		return nil
	}
	if action != ActDelete {
		return nil
	}
	for _, id := range ids {
		if k, ok := m.kernel(id); ok && k.VMs > 0 {
			m.say(toneBad, line(k.Name)+" is used by "+fault.Count(k.VMs, "VM"))
			return nil
		}
	}
	return askDelete(m, "kernel", ids, act.KernelDelete, func(ctx context.Context, a API, name string) error {
		return second(a.DeleteKernel(ctx, name))
	})
}
