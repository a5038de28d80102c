package vm

import (
	"context"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// keptByReset are the guest's directories that are not part of its system.
func keptByReset() []string { return []string{"/root", "/home"} }

// Reset takes the system of a VM back to its image, keeping /root, /home and
// the volumes. It happens at the next start; a living VM is restarted for it.
// Without discardWork a workspace elsewhere, with work that no export has, is
// Conflict. If that comes up only when the VM is stopped, it stays so.
func (s *Service) Reset(ctx context.Context, name string, discardWork bool, p operation.Progress) (VM, error) {
	v, err := s.Get(ctx, name)
	if err != nil {
		return VM{}, err
	}
	restart := v.State.Alive()
	if restart {
		if !discardWork {
			if err := s.refuseToLose(ctx, v, keptByReset(), act.VMReset); err != nil {
				return VM{}, err
			}
		}
		if _, err := s.Stop(ctx, v.ID, DefaultStopTimeout, p); err != nil {
			return VM{}, err
		}
	}
	p.Stage("reset")
	v, err = s.markReset(ctx, v.ID, discardWork)
	if err != nil || !restart {
		return v, err
	}
	return s.Start(ctx, v.ID, WaitReady(), p)
}

func (s *Service) markReset(ctx context.Context, id string, discardWork bool) (VM, error) {
	v, release, err := s.claimed(ctx, id, "reset")
	if err != nil {
		return VM{}, err
	}
	defer release()
	if !discardWork {
		if err := s.refuseToLose(ctx, v, keptByReset(), act.VMReset); err != nil {
			return VM{}, err
		}
	}
	if v.State == Suspended {
		if _, err := s.discardMemory(ctx, v, ReasonForced); err != nil {
			return VM{}, err
		}
	}
	return s.update(ctx, v.ID, func(v *VM) error {
		if v.State.Alive() {
			return fault.New(fault.Conflict, "VM %s was started again", v.Name).Try(act.VMReset.On(v.Name))
		}
		v.ResetPending = true
		return nil
	})
}
