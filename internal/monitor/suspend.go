package monitor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/suspendstore"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// resumingProtocol is the first in which a guest can be told that it was suspended.
const resumingProtocol = 3

// suspender stores the machine that machine writes.
type suspender func(ctx context.Context, machine suspendstore.Machine) error

// resumer has a machine go on where it was suspended.
type resumer func(ctx context.Context) (vmm.Machine, vm.Suspension, error)

// guestNetwork is what is at the other end of the guest's network card.
type guestNetwork interface {
	// Connections are the guest's TCP connections.
	Connections() []vm.Connection
	// Lost has the guest learn that these connections are gone. It returns soon.
	Lost(connections []vm.Connection)
}

// suspendNow writes the machine to disk, and ends it. When that fails it runs on. It is done, or given
// up, when it returns; the end of the machine is an event.
func (s *supervisor) suspendNow(ctx context.Context) error {
	var m vmm.Machine
	var refusal error
	paused, stands := false, false
	err := s.ask(ctx, func() {
		if refusal = s.checkSuspend(); refusal == nil {
			m, paused, s.suspending = s.machine, s.status.Paused, true
		}
	})
	if err := errors.Join(err, refusal); err != nil {
		return err
	}
	written := s.suspend(ctx, func(to io.Writer) (vm.Suspension, error) {
		how, err := m.Suspend(ctx, to)
		stands = err == nil
		return vm.Suspension{
			StartID: s.spec.StartID, Driver: s.spec.Driver, Shape: how.Shape, TSCKHz: how.TSCKHz, Host: s.spec.Host,
			At: time.Now().UTC(), Connections: s.network.Connections(),
		}, err
	})
	if written != nil && stands && !paused {
		written = errors.Join(written, m.Resume(context.WithoutCancel(ctx)))
	}
	err = s.ask(context.WithoutCancel(ctx), func() { s.afterSuspend(context.WithoutCancel(ctx), written) })
	if written == nil && errors.Is(err, errEnded) {
		return nil // it ended by itself, and is on disk
	}
	return errors.Join(written, err)
}

// checkSuspend returns nil if the machine can be suspended now.
func (s *supervisor) checkSuspend() error {
	switch {
	case s.suspending:
		return s.whileSuspending("suspend")
	case s.stopping || s.forced || s.announced:
		return fault.New(fault.Conflict, "VM %s is stopping", s.spec.Name)
	case !s.wasReady:
		return fault.New(fault.Conflict, "VM %s is not ready yet", s.spec.Name)
	case s.protocol < resumingProtocol:
		return fault.New(fault.Unavailable, "the agent in VM %s, of build %s, is too old for a suspension", s.spec.Name, s.status.Agent).
			WithHint("stop and start the VM, which gives it the agent of this build")
	default:
		return nil
	}
}

// whileSuspending refuses what a suspension does not allow.
func (s *supervisor) whileSuspending(what string) error {
	if !s.suspending && !s.suspended {
		return nil
	}
	return fault.New(fault.Busy, "VM %s cannot %s: it is being suspended", s.spec.Name, what).WithHint("try again when that is done")
}

// afterSuspend ends a machine that is on disk, which must not run any more.
func (s *supervisor) afterSuspend(ctx context.Context, err error) {
	s.suspending = false
	if err != nil {
		s.log.Warn("the VM could not be suspended, and runs on", "err", err)
		if s.thenStop > 0 {
			s.stop(ctx, s.thenStop)
		}
		return
	}
	s.suspended = true
	s.endHard()
}

// stopOwn begins the way down because this process is to end, after a suspension under way.
func (s *supervisor) stopOwn(ctx context.Context) {
	if s.suspending {
		s.thenStop = ownEndGrace
		return
	}
	if !s.suspended {
		s.stop(ctx, ownEndGrace)
	}
}

// resumeMachine has the machine go on where it was suspended.
func (s *supervisor) resumeMachine(ctx context.Context) (vmm.Machine, error) {
	resume := s.resume
	s.resume = nil // whatever comes of it, a later boot is cold
	s.status.Boot.How = string(vm.BootResumed)
	m, from, err := resume(ctx)
	if err != nil {
		return nil, err
	}
	s.resuming, s.lost = true, from.Connections
	return m, nil
}

// comeBack tells the guest that it was suspended.
func (s *supervisor) comeBack() {
	s.status.Phase = monitorrpc.PhaseConfiguring
	entropy, err := s.entropy()
	if err != nil {
		s.failure = "cannot get entropy from the host: " + err.Error()
		s.endHard()
		return
	}
	s.send(agentrpc.HostMessage{Resumed: &agentrpc.Resumed{
		Generation: s.generation, UnixNano: time.Now().UnixNano(), Entropy: entropy,
	}})
	s.network.Lost(s.lost)
	s.lost = nil
}

// storing is the suspender of a VM.
func storing(dir statedir.VM, spec vm.Spec) suspender {
	return func(ctx context.Context, machine suspendstore.Machine) error {
		return suspendstore.Write(ctx, dir, spec.MemoryBytes, machine)
	}
}

// resuming is the resumer of a suspended VM; nil: it is not.
func resuming(dir statedir.VM, spec vm.Spec, start func(context.Context, func(*vmm.Spec)) (vmm.Machine, error)) resumer {
	if !spec.Resume {
		return nil
	}
	return func(ctx context.Context) (vmm.Machine, vm.Suspension, error) {
		about, from, err := suspendstore.Open(ctx, dir)
		if err != nil {
			return nil, about, err
		}
		defer func() { _ = from.Close() }()
		m, err := start(ctx, func(machine *vmm.Spec) {
			machine.Resume = &vmm.Suspended{
				Suspension: vmm.Suspension{Shape: about.Shape, TSCKHz: about.TSCKHz}, From: from,
				Claim: func() error { return suspendstore.Claim(dir) },
			}
		})
		if err != nil {
			return nil, about, err
		}
		return m, about, suspendstore.Sweep(ctx, dir)
	}
}
