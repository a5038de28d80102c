package web

import (
	"cmp"
	"context"
	"net/http"
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
	Page    string // it has a page of its own, which says what is lost
}

// offered are the actions that the console has.
func offered() []vmaction.Action {
	var all []vmaction.Action
	for _, a := range vmaction.All() {
		if a.Runs() && a.ID != "reset" {
			all = append(all, a)
		}
	}
	return all
}

// actsFor are what can be done to a VM, what is possible now first.
func actsFor(v api.VM) []button {
	var can, cannot []button
	for _, a := range offered() {
		b := button{Do: a.ID, Word: a.Label, Command: cmdline.Line(a.On(&v)), Danger: a.Irreversible || a.ID == "kill", Why: capital(a.Refusal(&v))}
		if a.ID == "delete" {
			b.Word, b.Page = a.Label+"…", vmPath(v.Name)+"/delete"
		}
		if b.Why != "" {
			cannot = append(cannot, b)
			continue
		}
		can = append(can, b)
	}
	return append(can, cannot...)
}

// capital is text as a sentence begins.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// perform does what a button says. What asks first is done by its own page.
func (c *Console) perform(ctx context.Context, name, do string) error {
	for _, a := range offered() {
		if a.ID == do && !a.Irreversible {
			_, err := a.Run(ctx, c.api, &api.VM{ID: name, Name: name})
			return err
		}
	}
	return fault.New(fault.Invalid, "the console cannot do %q to a VM", do)
}

// did is what a page says once a button was pressed.
func did(do, what string) string {
	a, _ := vmaction.Find(do)
	return capital(cmp.Or(a.Did, do)) + " " + what
}

func (c *Console) vmAct(w http.ResponseWriter, r *http.Request) {
	name, do := r.PathValue("name"), r.PostForm.Get("do")
	err := c.perform(r.Context(), name, do)
	path := vmPath(name)
	if from := r.PostForm.Get("from"); from != "" {
		path = ownPath(from)
	}
	c.done(w, r, path, did(do, name), err)
}
