package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// dashboardView is the body of the dashboard.
type dashboardView struct {
	Rows       []vmRow
	Shown      string // which VMs: "", "running"
	Filter     string
	Running    int
	All        int
	Operations []operationView
}

// vmRow is a VM in the table.
type vmRow struct {
	Name, Image string
	Mark        mark
	Age         age
	Says        string // why it is as it is
	Memory      int64
	VCPU        int
	Alive       bool
	Work        *work
	First       button
	More        []button
}

// work is what is known of a workspace's unexported changes.
type work struct {
	State string
	Files int
}

func (c *Console) dashboard(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "dashboard", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Dashboard", "dashboard"
		vms, err := c.api.ListVMs(ctx, nil)
		if err != nil {
			return err
		}
		operations, err := c.api.ListOperations(ctx)
		if err != nil {
			return err
		}
		view := dashboardView{Shown: r.URL.Query().Get("show"), Filter: r.URL.Query().Get("q"), All: len(vms)}
		for _, v := range sorted(vms) {
			alive := v.State != api.VMStopped && v.State != api.VMFailed
			if alive {
				view.Running++
			}
			if (view.Shown == "running" && !alive) || !strings.Contains(v.Name+" "+v.Image, view.Filter) {
				continue
			}
			view.Rows = append(view.Rows, c.row(v, alive))
		}
		for _, op := range operations {
			if op.State == api.OperationRunning {
				view.Operations = append(view.Operations, viewOperation(op, c.now()))
			}
		}
		s.Body = view
		return nil
	})
}

func (c *Console) row(v api.VM, alive bool) vmRow {
	row := vmRow{
		Name: v.Name, Image: v.Image, Mark: mark{State: v.State, Icon: stateIcon(v.State)},
		Age: ageOf(c.now(), since(v)), Says: v.ExitMessage, Memory: v.MemoryBytes, VCPU: v.VCPU, Alive: alive,
	}
	if alive {
		row.Says = ""
	}
	if v.Workspace != nil {
		row.Work = &work{State: v.Workspace.State, Files: v.Workspace.Files}
	}
	acts := actsFor(v)
	row.First, row.More = acts[0], acts[1:]
	return row
}

// bulk does one thing to each VM that is marked.
func (c *Console) bulk(w http.ResponseWriter, r *http.Request) {
	names, do := r.PostForm["vm"], r.PostForm.Get("do")
	if len(names) == 0 {
		c.fail(w, r, fault.New(fault.Invalid, "no VM is marked"))
		return
	}
	for i, name := range names {
		if err := c.perform(r.Context(), name, do); err != nil {
			if i > 0 {
				err = fault.Wrap(fault.CodeOf(err), err, "%s of %d were done, then", fault.Count(i, "VM"), len(names))
			}
			c.fail(w, r, err)
			return
		}
	}
	c.lead(w, r, "/", did(do, fault.Count(len(names), "VM")))
}
