package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// maxBulk bounds the VMs that one form does something to.
const maxBulk = 1000

// bulkView is the body of the page that says what was done to each VM that was marked.
type bulkView struct {
	Title string
	Done  []bulkDone
}

// bulkDone is what happened to one of them.
type bulkDone struct {
	Name, Path string // no Path: it is gone
	Did        string
	Operation  string // the page of what goes on
	Problem    *problem
}

// bulk does one thing to each VM that is marked, by its ID, and asks first where it ends
// something. A name could be another VM's by then.
func (c *Console) bulk(w http.ResponseWriter, r *http.Request) {
	marked, do := r.PostForm["vm"], r.PostForm.Get("do")
	a, err := pressed(do)
	switch {
	case len(marked) == 0:
		err = fault.New(fault.Invalid, "no VM is marked").WithHint("mark VMs on the dashboard")
	case len(marked) > maxBulk:
		err = fault.New(fault.Invalid, "%d VMs are marked, and at most %d can be", len(marked), maxBulk)
	}
	var s *scene
	if err == nil {
		s, err = c.scene(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if a.Confirms() && r.PostForm.Get("confirmed") == "" {
		view := confirmView{Action: a, Path: "/vms", Back: "/"}
		for _, id := range marked {
			if _, there := s.vms[id]; !there {
				continue // the page after says so
			}
			if err := c.ask(r.Context(), &view, id); err != nil {
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
	view := bulkView{Title: a.Label}
	for _, id := range marked {
		view.Done = append(view.Done, c.performOne(r.Context(), s, a, id))
	}
	c.page(w, r, "bulk", func(_ context.Context, s *shell) error {
		s.Title, s.Section, s.Body = a.Label+" "+fault.Count(len(marked), "VM"), "dashboard", view
		return nil
	})
}

// performOne does an action that destroys no work to the VM with an ID.
func (c *Console) performOne(ctx context.Context, s *scene, a vmaction.Action, id string) bulkDone {
	v, there := s.vms[id]
	if !there {
		return bulkDone{Name: id, Problem: problemOf(fault.New(fault.NotFound, "the VM that was marked is gone"))}
	}
	done := bulkDone{Name: v.vm.Name, Path: vmPath(v.vm.Name)}
	op, err := a.Run(ctx, c.api, &api.VM{ID: id, Name: v.vm.Name})
	if err != nil {
		done.Problem = problemOf(err)
		return done
	}
	if done.Did = strings.ToLower(a.Did); op.ID != "" {
		done.Operation = operationPath(op.ID)
	}
	return done
}
