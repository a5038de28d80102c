package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

type kernelView struct {
	api.Kernel
	Age    age
	Delete string // the command
	Page   string // that asks before it
}

type kernelsView struct {
	Local      []kernelView
	Available  []api.AvailableKernel
	Problems   []string
	Operations []operationView // of kernels
	OnDisk     int64
	From       string // the directory to import, as picked
	Commands   struct{ Import, Pull string }
}

func (c *Console) kernelsPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "kernels", func(ctx context.Context, s *shell) error {
		s.Title, s.Section, s.Live = "Kernels", "kernels", livePath(pageKernels, url.Values{})
		local, err := c.api.ListKernels(ctx)
		if err != nil {
			return err
		}
		available, err := c.api.AvailableKernels(ctx)
		if err != nil {
			return err
		}
		view := kernelsView{Available: available.Items, Problems: available.Problems, From: r.URL.Query().Get("from")}
		view.Commands.Import = importCommand(url.Values{"from": {view.From}}, nil)
		view.Commands.Pull = cmdline.Line(act.KernelPull.On("NAME"))
		if view.OnDisk, _, err = c.diskOf(ctx, "kernels"); err != nil {
			return err
		}
		view.Operations = c.runningOf(s.scene, "kernel.", s.Token)
		for _, k := range local {
			view.Local = append(view.Local, kernelView{Kernel: k, Age: ageOf(c.now(), &k.ImportedAt), Delete: cmdline.Line(act.KernelDelete.On(k.Name)), Page: "/kernels/delete?" + url.Values{"name": {k.Name}}.Encode()})
		}
		s.Body = view
		return nil
	})
}

// kernelAct does what a button of the kernels' page says.
func (c *Console) kernelAct(w http.ResponseWriter, r *http.Request) {
	ctx, form := r.Context(), r.PostForm
	name := form.Get("name")
	var op api.Operation
	var err error
	switch do := form.Get("do"); do {
	case "pull":
		op, err = c.api.PullKernel(ctx, api.PullKernel{Name: name})
	case "import":
		op, err = c.api.ImportKernel(ctx, api.ImportKernel{Name: name, From: form.Get("from")})
	case "delete":
		gone, err := c.api.DeleteKernel(ctx, name)
		did := "Deleted " + name
		if len(gone.KeptBy) > 0 {
			did += ". Copies of their own have " + strings.Join(gone.KeptBy, ", ")
		}
		c.done(w, r, "/kernels", did, err)
		return
	default:
		err = fault.New(fault.Invalid, "the console cannot do %q to a kernel", do)
	}
	c.done(w, r, operationPath(op.ID), "", err)
}
