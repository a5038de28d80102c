package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// kernelAsk is the body of the page that asks before a kernel is deleted.
type kernelAsk struct {
	Kernel  api.Kernel
	VMs     []string // that boot it, from copies of their own
	Images  []string // that have a copy of it
	Command string
}

func (c *Console) kernelDeletePage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "kernel-delete", func(ctx context.Context, s *shell) error {
		name := r.URL.Query().Get("name")
		all, err := c.api.ListKernels(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(k api.Kernel) bool { return k.Name == name })
		if at < 0 {
			return fault.New(fault.NotFound, "no kernel %q", name).WithHint("%s", act.KernelList.Do())
		}
		view := kernelAsk{Kernel: all[at], Command: cmdline.Line(act.KernelDelete.On(name))}
		for _, v := range s.scene.vms {
			if v.vm.Kernel == name {
				view.VMs = append(view.VMs, v.vm.Name)
			}
		}
		slices.Sort(view.VMs)
		images, err := c.api.ListImages(ctx)
		for _, i := range images {
			if i.Kernel == name && i.Name != "" {
				view.Images = append(view.Images, i.Name)
			}
		}
		s.Title, s.Section, s.Body = "Delete "+name, "kernels", view
		return err
	})
}
