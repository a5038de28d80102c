// Package creation makes a VM with all that it was asked for with: the VM, then a work tree
// in it, then a session. It is one operation, whose stages are those of its parts.
package creation

import (
	"context"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// Request is a VM, and what follows once it is ready.
type Request struct {
	VM vm.CreateRequest
	// Workspace is copied to the VM; its VM is not set. Nil: none is.
	Workspace *workspace.PrepareRequest
	// Session is started, in the workspace unless it names a directory. Nil: none is.
	Session *session.StartRequest
}

// Created is what was made. Session is nil where none was asked for.
type Created struct {
	VM      vm.VM
	Session *session.Session
}

// VMs makes VMs.
type VMs interface {
	CheckCreate(ctx context.Context, req vm.CreateRequest) error
	Create(ctx context.Context, req vm.CreateRequest, p operation.Progress) (vm.VM, error)
}

// Workspaces copies work trees to VMs.
type Workspaces interface {
	Check(ctx context.Context, req workspace.PrepareRequest) error
	Prepare(ctx context.Context, req workspace.PrepareRequest, p operation.Progress) (workspace.Prepared, error)
}

// Sessions starts commands in VMs.
type Sessions interface {
	Start(ctx context.Context, vmName string, req session.StartRequest) (session.Session, error)
}

// Service makes VMs with what follows. It holds nothing.
type Service struct {
	VMs        VMs
	Workspaces Workspaces
	Sessions   Sessions
}

// Check returns what Create would refuse of a request by itself, before anything is made.
func (s Service) Check(ctx context.Context, req Request) error {
	if err := s.VMs.CheckCreate(ctx, req.VM); err != nil {
		return err
	}
	if req.Workspace == nil && req.Session == nil {
		return nil
	}
	if !req.VM.Start || !req.VM.Wait.ForReady() {
		return fault.New(fault.Invalid, "a workspace and a session need a VM that is ready").WithHint("start it and wait for ready, or leave them out")
	}
	if req.Session != nil {
		if err := req.Session.Validate(); err != nil {
			return err
		}
	}
	if req.Workspace == nil {
		return nil
	}
	return s.Workspaces.Check(ctx, *req.Workspace)
}

// Create makes the VM, and what follows. Where a part that follows fails, or is cancelled, the
// VM stays as it is, and the error says so: see vm.Service.Create for one before that.
func (s Service) Create(ctx context.Context, req Request, p operation.Progress) (Created, error) {
	if err := s.Check(ctx, req); err != nil {
		return Created{}, err
	}
	made := Created{}
	dir := ""
	err := operation.RunSteps(ctx, p, []operation.Step{
		{Do: func(ctx context.Context) (err error) {
			made.VM, err = s.VMs.Create(ctx, req.VM, p)
			return err
		}},
		{Do: func(ctx context.Context) (err error) {
			dir, err = s.prepare(ctx, made.VM, req.Workspace, p)
			return err
		}},
		{Do: func(ctx context.Context) (err error) {
			made.Session, err = s.start(ctx, made.VM, req.Session, dir, p)
			return err
		}},
	})
	return made, err
}

// prepare returns where the workspace is; empty: none was asked for.
func (s Service) prepare(ctx context.Context, v vm.VM, req *workspace.PrepareRequest, p operation.Progress) (string, error) {
	if req == nil {
		return "", nil
	}
	p.Stage("workspace")
	of := *req
	of.VM = v.ID
	sent, err := s.Workspaces.Prepare(ctx, of, p)
	if err != nil {
		return "", without(v, "workspace", err)
	}
	return sent.Path, nil
}

func (s Service) start(ctx context.Context, v vm.VM, req *session.StartRequest, dir string, p operation.Progress) (*session.Session, error) {
	if req == nil {
		return nil, nil //nolint:nilnil // none was asked for
	}
	p.Stage("session")
	in := *req
	if in.Dir == "" {
		in.Dir = dir
	}
	started, err := s.Sessions.Start(ctx, v.ID, in)
	if err == nil && started.State == session.Failed {
		err = fault.New(fault.Conflict, "session %s did not start: %s", started.Name, started.LastError)
	}
	if err != nil {
		return nil, without(v, "session", err)
	}
	return &started, nil
}

// without says that the VM is there, and what it lacks.
func without(v vm.VM, part string, cause error) error {
	return fault.Wrap(fault.CodeOf(cause), cause, "VM %s is running, but without its %s", v.Name, part).WithHint("%s", fault.HintOf(cause))
}
