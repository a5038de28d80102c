package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
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
	l := losses{Name: v.Name, Alive: v.State != api.VMStopped && v.State != api.VMFailed}
	if w := v.Workspace; w != nil && w.State != api.WorkspaceClean {
		l.Work = true
		if w.State == api.WorkspaceUnknown {
			l.What = append(l.What, "changes in the workspace that nobody has counted since it was last read")
		} else {
			l.What = append(l.What, fault.Count(w.Files, "changed file")+" in the workspace, not exported")
		}
	}
	running := 0
	for _, s := range sessions {
		if s.State == api.SessionRunning {
			running++
		}
	}
	if running > 0 {
		l.What = append(l.What, fault.Count(running, "running session"))
	}
	l.What = append(l.What, "its disk, of up to "+fault.Bytes(v.DiskBytes))
	var options []act.Option
	if l.Alive {
		l.Force, options = true, append(options, act.Force)
	}
	if l.Work {
		options = append(options, act.DiscardWork)
	}
	l.Command = cmdline.Line(act.VMDelete.On(v.Name, options...))
	return l
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
