package vm

import (
	"context"
	"errors"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Delete removes a VM with its disk. A living one is refused without force, and
// so is one with work that was never exported.
// Once begun it goes on, though ctx ends.
func (s *Service) Delete(ctx context.Context, name string, force bool, p operation.Progress) error {
	v, release, err := s.claimed(ctx, name, "delete")
	if err != nil {
		return err
	}
	defer release()
	if v.State.Alive() && !force {
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).
			WithHint("banger vm stop %s, or banger vm rm --force %s", v.Name, v.Name)
	}
	if !force {
		if err := s.refuseToLose(ctx, v, nil, "rm"); err != nil {
			return err
		}
	}
	if v.State.Alive() {
		p.Stage("end")
		if err := s.endHard(ctx, v); err != nil {
			return err
		}
	}
	p.Stage("remove")
	return s.erase(context.WithoutCancel(ctx), v.ID)
}

// refuseToLose refuses a verb that would take work with it that no export has,
// with all of the disk but the directories keep.
func (s *Service) refuseToLose(ctx context.Context, v VM, keep []string, verb string) error {
	if s.deps.Workspaces == nil {
		return nil
	}
	what, err := s.deps.Workspaces.Unsaved(ctx, v, keep)
	if err != nil || what == "" {
		return err
	}
	first := ""
	if !v.State.Alive() {
		first = "banger vm start " + v.Name + " && "
	}
	return fault.New(fault.Conflict, "VM %s has %s, which no export has", v.Name, what).
		WithHint("%sbanger vm workspace export %s, or banger vm %s --force %s to lose it", first, v.Name, verb, v.Name)
}

// endHard ends the machine of a VM at once, if it has one, and waits for its end.
func (s *Service) endHard(ctx context.Context, v VM) error {
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.current().Stop(ctx, 0); err != nil && !w.over() {
		if killErr := w.current().Kill(ctx, int(syscall.SIGKILL)); killErr != nil && !w.over() {
			return errors.Join(err, killErr)
		}
	}
	if err := w.untilEnd(ctx, endLimit); err != nil {
		return stuck(ctx, v, err)
	}
	return nil
}

// erase removes a VM that has no machine: marked first, so that what a crash
// leaves is removed by the next daemon.
func (s *Service) erase(ctx context.Context, id string) error {
	_, err := s.update(ctx, id, func(v *VM) error {
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
	return s.deps.Store.Delete(ctx, id)
}
