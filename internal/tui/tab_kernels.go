package tui

import (
	"context"
	"fmt"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// kernelsTab has the local kernels.
func kernelsTab() storedTab[api.Kernel] {
	return storedTab[api.Kernel]{
		title: "Kernels", kind: "kernel", pull: act.KernelPull, remove: act.KernelDelete,
		column: []column{
			{title: "NAME", grow: true},
			{title: "VERSION", grow: true},
			{title: "SIZE", right: true, drop: 1},
			{title: "VMS", right: true, drop: 2},
			{title: "SOURCE", drop: 4, grow: true},
			{title: "AGE", right: true, drop: 3},
		},
		all:   func(w *world) []api.Kernel { return w.kernels },
		id:    func(k api.Kernel) string { return k.Name },
		label: func(k api.Kernel) string { return k.Name },
		vms:   func(k api.Kernel) int { return k.VMs },
		cells: func(m *Model, k api.Kernel) []cell {
			return []cell{
				{text: line(k.Name)},
				{text: line(k.Version)},
				{text: fault.Bytes(k.SizeBytes)},
				{text: fmt.Sprint(k.VMs)},
				{text: line(k.Source), tone: toneDim},
				m.theme.age(m.now, &k.ImportedAt),
			}
		},
		about: func(k api.Kernel) []string {
			out := []string{line(k.Source), line(k.Architecture) + ", " + fault.Count(k.Modules, "module")}
			for _, step := range k.Trust {
				out = append(out, line(step))
			}
			if k.Problem != "" {
				out = append([]string{line(k.Problem)}, out...)
			}
			return out
		},
		delete: func(ctx context.Context, a API, name string) error { return second(a.DeleteKernel(ctx, name)) },
	}
}
