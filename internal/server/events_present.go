package server

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// presentBytes is how much of the present state is written at a time.
const presentBytes = 256 << 10

// present writes a reset and all that there is.
func (e *eventStream) present(ctx context.Context, reason string) error {
	var frames bytes.Buffer
	writeEvent(&frames, api.Event{Time: time.Now().UTC(), Kind: api.EventReset, Reason: reason})
	tell := func(ev event.Event, body any) error {
		ev.Action, ev.At, ev.Object = event.Present, time.Now().UTC(), encoded(e.s.log, body)
		frame(&frames, "", ev)
		if frames.Len() < presentBytes {
			return nil
		}
		defer frames.Reset()
		return e.send(frames.Bytes())
	}
	for _, kind := range e.kinds {
		if err := e.s.presentOf(ctx, kind, tell); err != nil {
			return err
		}
	}
	return e.send(frames.Bytes())
}

// presentOf tells of all that there is of one kind.
func (s *Server) presentOf(ctx context.Context, kind event.Kind, tell func(event.Event, any) error) error {
	switch kind {
	case event.VM:
		return s.presentVMs(ctx, tell)
	case event.Session:
		return s.presentSessions(ctx, tell)
	case event.Workspace:
		return s.presentWorkspaces(ctx, tell)
	case event.Operation:
		ops, err := s.Operations.List(ctx)
		return each(ops, err, func(op operation.Operation) error {
			if op.State.Ended() {
				return nil
			}
			return tell(operationEvent(op))
		})
	case event.Image:
		images, err := s.Images.List(ctx)
		return each(images, err, func(m image.Image) error {
			ev := imageEvent(event.Present, m.Manifest)
			ev.Name = m.Name
			return tell(ev, nil)
		})
	case event.Kernel:
		kernels, err := s.Kernels.List(ctx)
		return each(kernels, err, func(m kernel.Manifest) error {
			return tell(event.Event{Kind: event.Kernel, Name: m.Name}, nil)
		})
	default: // what only happens
		return nil
	}
}

func (s *Server) presentVMs(ctx context.Context, tell func(event.Event, any) error) error {
	vms, err := s.VMs.List(ctx, vm.Filter{})
	return each(vms, err, func(v vm.VM) error { return tell(vmEvent(event.Present, v), s.vmBody(v)) })
}

func (s *Server) presentSessions(ctx context.Context, tell func(event.Event, any) error) error {
	vms, err := s.VMs.List(ctx, vm.Filter{})
	if err != nil {
		return err
	}
	names := make(map[string]string, len(vms))
	for _, v := range vms {
		names[v.ID] = v.Name
	}
	all, err := s.Sessions.Current(ctx)
	return each(all, err, func(sess session.Session) error {
		return tell(sessionEvent(event.Present, names[sess.VMID], sess), sessionBody(names[sess.VMID], sess))
	})
}

func (s *Server) presentWorkspaces(ctx context.Context, tell func(event.Event, any) error) error {
	vms, err := s.VMs.List(ctx, vm.Filter{})
	if err != nil {
		return err
	}
	all, err := s.Workspaces.All(ctx)
	vms = slices.DeleteFunc(vms, func(v vm.VM) bool { return all[v.ID].VMID == "" })
	return each(vms, err, func(v vm.VM) error { return tell(workspaceEvent(event.Present, v), workspaceBody(all[v.ID], v)) })
}

func each[T any](all []T, err error, do func(T) error) error {
	for _, one := range all {
		if err == nil {
			err = do(one)
		}
	}
	return err
}
