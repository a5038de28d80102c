package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// button is something that a page's button does.
type button struct {
	Do      string // the form's value
	Word    string // on the button
	Command string // the same at the command line
	Why     string // why it cannot be done now; empty: it can
	Danger  bool
	Page    string // it has a page of its own, which asks or says what is lost
}

// actsFor are what can be done to a VM with these sessions, what is possible now first.
func actsFor(v api.VM, sessions []api.Session) []button {
	var can, cannot []button
	for _, a := range vmaction.All() {
		b := buttonOf(a, &v, sessions)
		if b.Why != "" {
			cannot = append(cannot, b)
			continue
		}
		can = append(can, b)
	}
	return append(can, cannot...)
}

// front are the actions that have buttons of their own: what is possible first, and to stop
// it; more are those of the menu.
func front(acts []button) (out, more []button) {
	for i, b := range acts {
		if i == 0 || b.Do == "stop" && b.Why == "" {
			out = append(out, b)
		} else {
			more = append(more, b)
		}
	}
	return out, more
}

// firstFor is the first of actsFor. Something can be done to each VM.
func firstFor(v api.VM, sessions []api.Session) button {
	all := vmaction.All()
	at := slices.IndexFunc(all, func(a vmaction.Action) bool { return a.Refusal(&v) == "" })
	return buttonOf(all[max(at, 0)], &v, sessions)
}

func buttonOf(a vmaction.Action, v *api.VM, sessions []api.Session) button {
	b := button{
		Do: a.ID, Word: a.Label, Command: cmdline.Line(a.On(v)), Danger: a.Irreversible || a.ID == "kill", Why: capital(a.Refusal(v)),
		Page: askingPage(a.ID, v.Name),
	}
	if b.Page == "" && len(a.Losses(v, sessions)) > 0 {
		b.Word, b.Page = a.Label+"…", vmPath(v.Name)+"/"+a.ID
	}
	return b
}

// askingPage is where an action that needs more words has its form; empty: it needs none.
func askingPage(id, name string) string {
	switch id {
	case "rename", "set", "commit":
		return vmPath(name) + "/" + id
	case "exec":
		return vmPath(name) + "#new-session"
	case "prepare", "export":
		return vmPath(name) + "/workspace"
	}
	return ""
}

// capital is text as a sentence begins.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// pressed is the action of a button. What cannot be undone has a page of its own.
func pressed(do string) (vmaction.Action, error) {
	a, ok := vmaction.Find(do)
	if !ok || !a.Runs() || a.Irreversible {
		return a, fault.New(fault.Invalid, "the console cannot do %q to a VM", do)
	}
	return a, nil
}

// perform does an action that destroys no work.
func (c *Console) perform(ctx context.Context, name string, a vmaction.Action) error {
	_, err := a.Run(ctx, c.api, &api.VM{ID: name, Name: name})
	return err
}

// did is what a page says once a button was pressed.
func did(do, what string) string {
	a, _ := vmaction.Find(do)
	return capital(cmp.Or(a.Did, do)) + " " + what
}

func (c *Console) vmAct(w http.ResponseWriter, r *http.Request) {
	name, do := r.PathValue("name"), r.PostForm.Get("do")
	path := vmPath(name)
	if from := r.PostForm.Get("from"); from != "" {
		path = ownPath(from)
	}
	a, err := pressed(do)
	if err == nil && a.Confirms() {
		view := confirmView{Action: a}
		if err = c.ask(r.Context(), &view, name); err == nil && view.loses() {
			c.lead(w, r, vmPath(name)+"/"+a.ID, "")
			return
		}
	}
	if err == nil {
		err = c.perform(r.Context(), name, a)
	}
	c.done(w, r, path, did(do, name), err)
}
