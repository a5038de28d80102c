package tui

import (
	"context"
	"fmt"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// imagesTab has the local images.
func imagesTab() storedTab[api.Image] {
	return storedTab[api.Image]{
		title: "Images", kind: "image", makesVM: true, pull: act.ImagePull, remove: act.ImageDelete,
		column: []column{
			{title: "NAME", grow: true},
			{title: "SIZE", right: true, drop: 2},
			{title: "VMS", right: true, drop: 1},
			{title: "KERNEL", drop: 4},
			{title: "FROM", drop: 3, grow: true},
			{title: "AGE", right: true, drop: 5},
		},
		all:   func(w *world) []api.Image { return w.images },
		id:    func(i api.Image) string { return i.ID + " " + i.Name },
		label: imageName,
		vms:   func(i api.Image) int { return i.VMs },
		cells: func(m *Model, i api.Image) []cell {
			return []cell{
				{text: line(imageName(i))},
				{text: fault.Bytes(i.DiskUsage)},
				{text: fmt.Sprint(i.VMs)},
				{text: line(i.Kernel), tone: toneDim},
				{text: line(i.Ref), tone: toneDim},
				m.theme.age(m.now, &i.CreatedAt),
			}
		},
		about:  aboutImage,
		delete: func(ctx context.Context, a API, name string) error { return a.DeleteImage(ctx, name) },
	}
}

// imageName is the name of an image, or the beginning of its ID.
func imageName(i api.Image) string { return firstOf(i.Name, i.ID[:min(len(i.ID), 12)]) }

func aboutImage(i api.Image) []string {
	out := []string{line(i.Ref), line(i.Digest), line(i.OS + "/" + i.Architecture)}
	if words := append(append([]string(nil), i.Entrypoint...), i.Cmd...); len(words) > 0 {
		out[2] += ", runs " + commandText(words)
	}
	if i.Problem != "" {
		out = append([]string{line(i.Problem)}, out...)
	}
	return out
}
