package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/client/vmaction"
)

// losses is the body of the page that asks whether to delete a VM.
type losses struct {
	Name    string
	Alive   bool
	What    []string
	Command string
	Force   bool
	Work    bool
	Wrong   string // the name that was typed, when it was another
}

func (c *Console) deletePage(w http.ResponseWriter, r *http.Request) { c.askDelete(w, r, "") }

func (c *Console) askDelete(w http.ResponseWriter, r *http.Request, wrong string) {
	c.page(w, r, "delete", func(ctx context.Context, s *shell) error {
		v, err := c.api.GetVM(ctx, r.PathValue("name"))
		if err != nil {
			return err
		}
		sessions, err := c.api.ListSessions(ctx, v.Name)
		if err != nil {
			return err
		}
		view := lossesOf(v, sessions)
		view.Wrong = wrong
		s.Title, s.Current, s.Body = "Delete "+v.Name, v.Name, view
		return nil
	})
}

func lossesOf(v api.VM, sessions []api.Session) losses {
	a, _ := vmaction.Find("delete")
	return losses{
		Name: v.Name, Alive: status.Alive(v.State), What: a.Losses(&v, sessions), Command: cmdline.Line(a.On(&v)),
		Force: status.Alive(v.State), Work: a.DiscardsWork(&v),
	}
}

// deleteVM deletes once the name was typed. What may be lost is what the page named:
// work that came since is not.
func (c *Console) deleteVM(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if typed := r.PostForm.Get("name"); typed != name {
		c.askDelete(w, r, typed)
		return
	}
	op, err := c.api.DeleteVM(r.Context(), name, api.DeleteVM{
		Force: r.PostForm.Get("force") == "yes", DiscardWork: r.PostForm.Get("discard_work") == "yes",
	})
	c.done(w, r, operationPath(op.ID), "", err)
}
