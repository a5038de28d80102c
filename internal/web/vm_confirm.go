package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// confirmView is the body of the page that asks before an action destroys or ends something.
type confirmView struct {
	Action   vmaction.Action
	Path     string // of the form
	Back     string
	VMs      []confirmVM
	Typed    string // what must be typed; empty: nothing
	Wrong    string // what was typed, when it was something else
	Refusals []refusal
}

// confirmVM is a VM that something is done to, as the page showed it.
type confirmVM struct {
	ID, Name string
	Alive    bool
	Work     bool // unexported work goes with it
	Losses   []string
	Command  string
}

// refusal is a VM that the action is not possible for.
type refusal struct{ Name, Why string }

// Single reports whether the page is of one VM, and not of those that are marked.
func (v confirmView) Single() bool { return v.Path != "/vms" }

// Title is the question.
func (v confirmView) Title() string {
	if len(v.VMs) == 1 {
		return v.Action.Label + " " + v.VMs[0].Name
	}
	return v.Action.Label + " " + fault.Count(len(v.VMs), "VM")
}

// add shows what the action does to v, or why it is not possible.
func (v *confirmView) add(vm api.VM, sessions []api.Session) {
	if why := v.Action.Refusal(&vm); why != "" {
		v.Refusals = append(v.Refusals, refusal{vm.Name, why})
		return
	}
	v.VMs = append(v.VMs, confirmVM{
		ID: vm.ID, Name: vm.Name, Alive: status.Alive(vm.State), Work: v.Action.DiscardsWork(&vm),
		Losses: v.Action.Losses(&vm, sessions), Command: cmdline.Line(v.Action.On(&vm)),
	})
	if v.Action.Irreversible {
		v.Typed = vm.Name
	}
}

// loses reports whether anything is destroyed or ended.
func (v confirmView) loses() bool {
	return slices.ContainsFunc(v.VMs, func(one confirmVM) bool { return len(one.Losses) > 0 })
}

// ask reads what the action does to a VM.
func (c *Console) ask(ctx context.Context, view *confirmView, name string) error {
	v, err := c.api.LookVM(ctx, name, lookTime)
	if err != nil {
		return err
	}
	sessions, err := c.api.ListSessions(ctx, v.Name)
	if err == nil {
		view.add(v, sessions)
	}
	return err
}

// confirmPage asks before an action on one VM.
func (c *Console) confirmPage(a vmaction.Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { c.confirm(w, r, a, "") }
}

func (c *Console) confirm(w http.ResponseWriter, r *http.Request, a vmaction.Action, wrong string) {
	c.page(w, r, "confirm", func(ctx context.Context, s *shell) error {
		name := r.PathValue("name")
		view := confirmView{Action: a, Path: vmPath(name) + "/" + a.ID, Back: vmPath(name), Wrong: wrong}
		if err := c.ask(ctx, &view, name); err != nil {
			return err
		}
		if len(view.VMs) == 0 {
			return fault.New(fault.Conflict, "cannot %s VM %s: %s", strings.ToLower(a.Label), name, view.Refusals[0].Why)
		}
		s.Title, s.Current, s.Body = view.Title(), view.VMs[0].Name, view
		return nil
	})
}

// confirmed does an action on one VM, once its name was typed where it must be.
func (c *Console) confirmed(a vmaction.Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, form := r.PathValue("name"), r.PostForm
		if typed := form.Get("name"); a.Irreversible && typed != name {
			c.confirm(w, r, a, typed)
			return
		}
		v, err := c.asShown(r.Context(), name, form.Get("id"), form.Get("alive") != "", form.Get("work") != "")
		var op api.Operation
		if err == nil {
			op, err = a.Run(r.Context(), c.api, &v)
		}
		if a.Irreversible {
			c.done(w, r, operationPath(op.ID), "", err)
			return
		}
		c.done(w, r, vmPath(name), did(a.ID, name), err)
	}
}

// asShown is the VM with the name, if it is still the one with this ID, and as the page
// showed it: an action on it loses nothing more than the page named.
func (c *Console) asShown(ctx context.Context, name, id string, alive, work bool) (api.VM, error) {
	v, err := c.api.LookVM(ctx, name, 0)
	if err != nil {
		return v, err
	}
	if v.ID != id {
		return v, fault.New(fault.Conflict, "VM %s is another one than the page was about", name)
	}
	if !alive && status.Alive(v.State) {
		v.State = api.VMStopped
	}
	if !work {
		v.Workspace = nil
	}
	return v, nil
}
