package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// vmFormView is the body of the pages with a form that changes a VM, or makes an image
// of it.
type vmFormView struct {
	vmFrame
	Form    url.Values // as typed
	Kernels []string
	Why     string // why the form cannot be sent now
	Wrong   wrongs
	Command string
}

// showVMForm shows a form of a VM: fill makes of the VM what its fields say.
func (c *Console) showVMForm(w http.ResponseWriter, r *http.Request, page string, form url.Values, wrong wrongs, command commandOf, fill func(api.VM) (url.Values, string)) {
	c.inVM(w, r, page, func(ctx context.Context, f vmFrame) (any, error) {
		fields, why := fill(f.VM)
		if form != nil {
			fields = form
		}
		fields.Set("vm", f.VM.Name)
		view := vmFormView{vmFrame: f, Form: fields, Why: why, Wrong: wrong, Command: command(fields, nil)}
		kernels, err := c.api.ListKernels(ctx)
		for _, k := range kernels {
			view.Kernels = append(view.Kernels, k.Name)
		}
		return view, err
	})
}

func notStopped(v api.VM) string {
	if status.Alive(v.State) {
		return "It is " + v.State + ": stop it first"
	}
	return ""
}

func renameFields(v api.VM) (url.Values, string) {
	return url.Values{"new": {v.Name}}, notStopped(v)
}

func renameCommand(form, _ url.Values) string {
	t := typed(form, "vm", "rename", form.Get("vm"))
	t.arg("new", "NEW")
	return t.String()
}

func (c *Console) renamePage(w http.ResponseWriter, r *http.Request) {
	c.showVMForm(w, r, "rename", nil, wrongs{}, renameCommand, renameFields)
}

func (c *Console) rename(w http.ResponseWriter, r *http.Request) {
	name, form := r.PathValue("name"), r.PostForm
	v, err := c.api.UpdateVM(r.Context(), name, api.UpdateVM{Name: new(strings.TrimSpace(form.Get("new")))})
	if err != nil {
		c.showVMForm(w, r, "rename", form, wrongWith("new", "New name", err), renameCommand, renameFields)
		return
	}
	c.lead(w, r, vmPath(v.Name), "Renamed "+name+" to "+v.Name)
}

func commitFields(v api.VM) (url.Values, string) { return url.Values{}, notStopped(v) }

func commitCommand(form, _ url.Values) string {
	t := typed(form, "vm", "commit")
	t.replace()
	t.args = append(t.args, form.Get("vm"))
	t.arg("image", "IMAGE")
	return t.String()
}

func (c *Console) commitPage(w http.ResponseWriter, r *http.Request) {
	c.showVMForm(w, r, "commit", nil, wrongs{}, commitCommand, commitFields)
}

func (c *Console) commit(w http.ResponseWriter, r *http.Request) {
	name, form := r.PathValue("name"), r.PostForm
	op, err := c.api.CommitVM(r.Context(), name, api.CommitVM{Image: strings.TrimSpace(form.Get("image")), Replace: form.Get("replace") != ""})
	if err != nil {
		c.showVMForm(w, r, "commit", form, wrongWith("image", "Name of the image", err), commitCommand, commitFields)
		return
	}
	c.lead(w, r, operationPath(op.ID), "")
}
