package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// stageDiscard is the stage in which the memory of a suspended VM goes. Doors know it by this name.
const stageDiscard = "discard the suspended memory"

// Suspend writes the machine of a VM to disk and ends it, so that nothing of it is left but disk. Resume
// and Start have it go on. When it fails the VM runs on. One that is suspended is left alone.
func (s *Service) Suspend(ctx context.Context, name string, p operation.Progress) (VM, error) {
	v, release, err := s.claimed(ctx, name, "suspend")
	if err != nil {
		return VM{}, err
	}
	defer release()
	switch {
	case v.State == Suspended:
		return v, nil
	case s.deps.Suspensions == nil:
		return VM{}, fault.New(fault.Unavailable, "VMs cannot be suspended here")
	case v.State != Running && v.State != Paused:
		return VM{}, notRunning(v)
	}
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return VM{}, notRunning(v)
	}
	if err != nil {
		return VM{}, err
	}
	p.Stage("suspend")
	if err := w.current().Suspend(ctx); err != nil {
		return VM{}, err
	}
	if err := w.untilEnd(ctx, endLimit); err != nil {
		return VM{}, stuck(ctx, v, err)
	}
	return s.byID(ctx, v.ID)
}

// startSuspended has a suspended VM go on, or boot where its memory is not wanted. The caller holds
// the VM.
func (s *Service) startSuspended(ctx context.Context, v VM, how startHow, p operation.Progress) (*watch, error) {
	switch {
	case how.cold:
		p.Stage(stageDiscard)
		v, err := s.discardMemory(ctx, v, ReasonForced)
		if err != nil {
			return nil, err
		}
		p.Stage("start")
		return s.launch(ctx, v, false)
	case how.rescue:
		return nil, fault.New(fault.Conflict, "VM %s is suspended", v.Name).
			WithHint("%s, which discards its memory, then %s", act.VMStop.On(v.Name), act.VMStart.On(v.Name, act.Rescue))
	default:
		p.Stage("resume")
		return s.resume(ctx, v)
	}
}

// resume has a suspended VM go on. While its machine is as it was on disk, the VM stays suspended
// whatever fails. It is the same start, so that its sessions are.
func (s *Service) resume(ctx context.Context, v VM) (*watch, error) {
	began := s.now()
	spec, hostBoot, err := s.resumption(ctx, v)
	if err != nil {
		return nil, notResumed(v, err)
	}
	before := v
	v, err = s.update(ctx, v.ID, func(v *VM) error {
		v.State, v.HostBootID = Starting, hostBoot
		v.ExitReason, v.ExitMessage, v.ExitHint, v.StoppedAt = "", "", nil, time.Time{}
		v.BootTimeline = BootTimeline{How: BootResumed, Driver: v.Driver}
		return nil
	})
	if err != nil {
		return nil, err
	}
	spec.Resume, spec.BeganAt = true, began
	machine, err := s.deps.Machines.Start(ctx, spec)
	if err == nil {
		return s.track(v, machine), nil
	}
	if _, gone := s.deps.Suspensions.Find(context.WithoutCancel(ctx), v.ID); errors.Is(gone, fault.NotFound) {
		before.State = Stopped // there is nothing to go on from any more
		s.recordNoStart(context.WithoutCancel(ctx), before, err)
		return nil, err
	}
	if _, err := s.update(ctx, v.ID, func(v *VM) error { *v = before; return nil }); err != nil {
		s.log.Error("a VM that stays suspended is not recorded so", "vm", v.ID, "error", err)
	}
	return nil, notResumed(v, err)
}

// resumption is the spec of a start that goes on where v was suspended, on a host where it can, and
// that host's boot.
func (s *Service) resumption(ctx context.Context, v VM) (spec Spec, hostBoot string, err error) {
	if s.deps.Suspensions == nil {
		return spec, "", fault.New(fault.Unavailable, "VMs cannot be suspended here")
	}
	about, err := s.deps.Suspensions.Find(ctx, v.ID)
	if err != nil {
		return spec, "", err
	}
	b, err := s.prepare(ctx, v)
	if err != nil {
		return spec, "", err
	}
	spec = b.spec(s, v)
	host, err := s.deps.Suspensions.Host(ctx, spec)
	switch {
	case err != nil:
		return spec, "", err
	case about.Driver != spec.Driver:
		return spec, "", fault.New(fault.Unavailable, "it was suspended on the driver %s, and would go on on %s", about.Driver, spec.Driver)
	case about.Host == nil || about.Host.VMM != host.VMM:
		return spec, "", fault.New(fault.Unavailable, "%s is not the program that it was suspended with", spec.VMM)
	case about.Host.CPU != host.CPU:
		return spec, "", fault.New(fault.Unavailable, "it was suspended on another CPU than this host has")
	}
	spec.Host = &host
	return spec, b.host.BootID, nil
}

// notResumed says why a VM stays suspended.
func notResumed(v VM, err error) error {
	return fault.New(fault.Unavailable, "VM %s cannot be resumed: %s", v.Name, err.Error()).
		WithHint("%s boots it: what was only in its memory is lost, its disk is not", act.VMStart.On(v.Name, act.Cold))
}

// discardMemory makes a suspended VM a stopped one. The caller holds the VM.
func (s *Service) discardMemory(ctx context.Context, v VM, reason string) (VM, error) {
	if s.deps.Suspensions != nil {
		if err := s.deps.Suspensions.Discard(ctx, v.ID); err != nil {
			return VM{}, err
		}
	}
	return s.update(ctx, v.ID, func(v *VM) error {
		v.State, v.ExitReason, v.ExitMessage, v.StoppedAt = Stopped, reason, "it was suspended, and its memory was discarded", s.now()
		return nil
	})
}

func (s *Service) killSuspended(ctx context.Context, v VM) (VM, error) {
	v, release, err := s.claimed(ctx, v.ID, "kill")
	if err != nil {
		return VM{}, err
	}
	defer release()
	if v.State != Suspended {
		return VM{}, fault.New(fault.Conflict, "VM %s has just been resumed", v.Name).Try(act.VMKill.On(v.Name))
	}
	return s.discardMemory(ctx, v, ReasonKilled)
}

// orSuspended is how a start ended that left its machine on disk: whatever its monitor said or could
// not say, that is where the VM goes on.
func (s *Service) orSuspended(ctx context.Context, vmID string, exit Exit) Exit {
	if s.deps.Suspensions == nil || exit.Reason == ReasonSuspended {
		return exit
	}
	about, err := s.deps.Suspensions.Find(ctx, vmID)
	if errors.Is(err, fault.NotFound) {
		if err := s.deps.Suspensions.Discard(ctx, vmID); err != nil { // what an interrupted suspension left
			s.log.Warn("remove what a suspension left", "vm", vmID, "error", err)
		}
		return exit
	}
	if err != nil {
		s.log.Warn("a suspended machine cannot be read", "vm", vmID, "error", err)
	}
	return Exit{Format: ExitFormat, StartID: exit.StartID, Reason: ReasonSuspended, Boots: exit.Boots, At: about.At}
}

// machineHost is what a start runs on; nil: it is not known, and its machine will not be resumed.
func (s *Service) machineHost(ctx context.Context, spec Spec) *MachineHost {
	if s.deps.Suspensions == nil {
		return nil
	}
	host, err := s.deps.Suspensions.Host(ctx, spec)
	if err != nil {
		s.log.Warn("the host of a machine is not known", "vm", spec.VMID, "error", err)
		return nil
	}
	return &host
}
