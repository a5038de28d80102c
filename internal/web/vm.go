package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// vmView is the body of a VM's page.
type vmView struct {
	VM       api.VM
	Mark     mark
	Age      age
	Facts    []fact
	Acts     []button
	Ports    []api.Port
	PortsWhy string // why there are none
	Sessions []sessionView
	Labels   []string
}

// fact is a line of what a VM is.
type fact struct{ Name, Value string }

type sessionView struct {
	Name, Command, Mode, Says string
	Mark                      mark
	Age                       age
}

func (c *Console) vmPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "vm", func(ctx context.Context, s *shell) error {
		v, err := c.api.GetVM(ctx, r.PathValue("name"))
		if err != nil {
			return err
		}
		s.Title, s.Section, s.Current = v.Name, "", v.Name
		view := vmView{VM: v, Mark: mark{State: v.State, Icon: stateIcon(v.State)}, Age: ageOf(c.now(), since(v)), Facts: vmFacts(v), Acts: actsFor(v)}
		for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
			view.Labels = append(view.Labels, key+"="+v.Labels[key])
		}
		if v.State == api.VMRunning {
			if view.Ports, err = c.api.VMPorts(ctx, v.Name); err != nil {
				view.PortsWhy = err.Error()
			}
		}
		sessions, err := c.api.ListSessions(ctx, v.Name)
		if err != nil {
			return err
		}
		for _, session := range sessions {
			view.Sessions = append(view.Sessions, c.viewSession(session))
		}
		s.Body = view
		return nil
	})
}

func vmFacts(v api.VM) []fact {
	facts := []fact{
		{"Image", v.Image},
		{"Kernel", v.Kernel},
		{"Size", fmt.Sprintf("%d vCPU, %s, %s disk", v.VCPU, fault.Bytes(v.MemoryBytes), fault.Bytes(v.DiskBytes))},
		{"Address", v.Address},
		{"Driver", v.Driver},
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}

func (c *Console) viewSession(s api.Session) sessionView {
	began := s.StartedAt
	if began == nil {
		began = &s.CreatedAt
	}
	view := sessionView{
		Name: s.Name, Mode: s.Mode, Says: s.LastError, Mark: mark{State: s.State, Icon: stateIcon(s.State)}, Age: ageOf(c.now(), began),
	}
	for i, word := range s.Command {
		if i > 0 {
			view.Command += " "
		}
		view.Command += cmdline.Word(word)
	}
	if s.ExitCode != nil {
		view.Mark.State = fmt.Sprintf("exited, status %d", *s.ExitCode)
		if *s.ExitCode != 0 {
			view.Mark.Icon = "failed"
		}
	}
	return view
}

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
