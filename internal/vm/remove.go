package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Removal says what a Delete may take with it.
type Removal struct {
	Force       bool // a living VM, which is ended hard
	DiscardWork bool // work that no export has
}

const (
	// answerLimit is how long a monitor may take to answer, and endedLimit how long
	// to end its machine (a VMM that heeds no SIGTERM is killed after 3 s), before
	// both are killed.
	answerLimit = 3 * time.Second
	endedLimit  = 6 * time.Second
)

// Delete removes a VM with its disk. A living VM, and unexported work, are a
// Conflict unless how allows them; each by itself. A running guest is looked at
// for work now. A protected VM is a Conflict in any case.
// Once begun it goes on, though ctx ends.
func (s *Service) Delete(ctx context.Context, name string, how Removal, p operation.Progress) error {
	v, release, err := s.claimed(ctx, name, "delete")
	if err != nil {
		return err
	}
	defer release()
	if v.Protected {
		return fault.New(fault.Conflict, "VM %s is protected", v.Name).Try(act.VMUnprotect.On(v.Name))
	}
	if !how.DiscardWork {
		p.Stage("check")
		if err := s.refuseToLose(ctx, v, nil, act.VMDelete); err != nil {
			return err
		}
		if err := s.refuseToLoseSnapshots(ctx, v); err != nil {
			return err
		}
	}
	if v.State.Alive() && !how.Force {
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).
			Try(act.VMStop.On(v.Name), act.VMDelete.On(v.Name, act.Force))
	}
	if v.State.Alive() {
		p.Stage("end")
		if err := s.endHard(ctx, v); err != nil {
			return err
		}
	}
	p.Stage("remove")
	if v.State == Suspended {
		p.Detail("its memory, in which it was suspended, is discarded")
	}
	return s.erase(context.WithoutCancel(ctx), v.ID)
}

// refuseToLose refuses a verb that would discard unexported work, or work of
// which nothing is known, with all of the disk but the directories keep.
func (s *Service) refuseToLose(ctx context.Context, v VM, keep []string, verb act.Named) error {
	if s.deps.Workspaces == nil {
		return nil
	}
	what, err := s.deps.Workspaces.Unsaved(ctx, v, keep)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && what == "":
		return nil
	}
	export := fault.Hintf("%s", act.WorkspaceExport.On(v.Name))
	switch {
	case v.State == Paused, v.State == Suspended:
		export = fault.Hintf("%s, then %s", act.VMResume.On(v.Name), export)
	case !v.State.Alive():
		export = fault.Hintf("%s, then %s", act.VMStart.On(v.Name), export)
	}
	discard := verb.On(v.Name, act.DiscardWork)
	if v.State.Alive() && verb == act.VMDelete {
		discard = verb.On(v.Name, act.Force, act.DiscardWork)
	}
	refusal := fault.New(fault.Conflict, "VM %s %s", v.Name, what)
	if err != nil {
		refusal = fault.Wrap(fault.Conflict, err, "VM %s may have unexported work: its workspace cannot be checked", v.Name)
	}
	return refusal.WithHint("%s, or %s to discard it", export, discard)
}

// endHard ends the machine of a VM at once, if it has one, and waits for its end.
func (s *Service) endHard(ctx context.Context, v VM) error {
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil && s.askToEnd(ctx, w) {
		return nil
	}
	if err := s.deps.Machines.End(ctx, v.ID); err != nil {
		return err
	}
	if w == nil {
		return nil
	}
	if err := w.untilEnd(ctx, endLimit); err != nil {
		return stuck(ctx, v, err)
	}
	return nil
}

// askToEnd has the monitor end the machine at once, and reports whether it did
// so soon.
func (s *Service) askToEnd(ctx context.Context, w *watch) bool {
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if err := w.current().Stop(limited, 0); err != nil && !w.over() {
		s.log.Warn("the monitor does not stop its VMM; killing both", "vm", w.vmID, "error", err)
		return false
	}
	return w.untilEnd(ctx, endedLimit) == nil
}

// erase removes a VM that has no machine: marked first, so that what a crash
// leaves is removed by the next daemon.
func (s *Service) erase(ctx context.Context, id string) error {
	gone, err := s.update(ctx, id, func(v *VM) error {
		v.Provisional = true
		return nil
	})
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	s.named(ctx, id, "")
	if err := s.deps.Disks.Remove(ctx, id); err != nil {
		return err
	}
	if err := s.forget(ctx, id); err != nil {
		return err
	}
	if gone.ImageID != "" {
		if err := s.deps.Images.Release(ctx, gone.ImageID); err != nil { // the VM is gone all the same
			s.log.Warn("release the image of a deleted VM", "vm", id, "image", gone.ImageID, "error", err)
		}
	}
	return nil
}
