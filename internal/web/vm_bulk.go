package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// maxBulk bounds the VMs that one form does something to.
const maxBulk = 1000

// bulk does one thing to each VM that is marked, and asks first where it ends something.
func (c *Console) bulk(w http.ResponseWriter, r *http.Request) {
	names, do := r.PostForm["vm"], r.PostForm.Get("do")
	a, err := pressed(do)
	switch {
	case len(names) == 0:
		err = fault.New(fault.Invalid, "no VM is marked")
	case len(names) > maxBulk:
		err = fault.New(fault.Invalid, "%d VMs are marked, and at most %d can be", len(names), maxBulk)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if a.Confirms() && r.PostForm.Get("confirmed") == "" {
		view := confirmView{Action: a, Path: "/vms", Back: "/"}
		for _, name := range names {
			if err := c.ask(r.Context(), &view, name); err != nil {
				c.fail(w, r, err)
				return
			}
		}
		if view.loses() {
			c.page(w, r, "confirm", func(_ context.Context, s *shell) error {
				s.Title, s.Section, s.Body = view.Title(), "dashboard", view
				return nil
			})
			return
		}
	}
	c.performAll(w, r, a, names)
}

func (c *Console) performAll(w http.ResponseWriter, r *http.Request, a vmaction.Action, names []string) {
	for i, name := range names {
		if err := c.perform(r.Context(), name, a); err != nil {
			if i > 0 {
				err = fault.Wrap(fault.CodeOf(err), err, "%s of %d were done, then", fault.Count(i, "VM"), len(names))
			}
			c.fail(w, r, err)
			return
		}
	}
	c.lead(w, r, "/", did(a.ID, fault.Count(len(names), "VM")))
}
