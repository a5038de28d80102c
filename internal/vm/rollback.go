package vm

import (
	"context"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
)

// RollbackRequest says where a VM goes back to.
type RollbackRequest struct {
	// Snapshot is its name or ID. Empty: the latest that somebody asked for.
	Snapshot string
	// NoStart leaves a VM stopped that was alive.
	NoStart bool
}

// RolledBack is what a rollback did.
type RolledBack struct {
	VM   VM
	To   snapshot.Snapshot
	Kept snapshot.Snapshot // what the VM was
}

// Rollback puts a snapshot in the place of a VM's disk, and keeps what the VM was as a
// snapshot of its own: so nothing is lost. A living VM is stopped for it, and started
// again. Cancelled or failing, it leaves the disk as it was; a VM that was stopped for it
// stays so.
func (s *Service) Rollback(ctx context.Context, ref string, req RollbackRequest, p operation.Progress) (RolledBack, error) {
	v, to, err := s.rollbackTarget(ctx, ref, req.Snapshot)
	if err != nil {
		return RolledBack{}, err
	}
	restart := v.State.Alive()
	if restart {
		if _, err := s.Stop(ctx, v.ID, DefaultStopTimeout, p); err != nil {
			return RolledBack{}, err
		}
	}
	done, err := s.replaceDisk(ctx, v.ID, to, p)
	if err != nil {
		return RolledBack{}, err
	}
	if restart && !req.NoStart {
		done.VM, err = s.Start(ctx, v.ID, WaitReady(), p)
	}
	return done, err
}

// CheckRollback returns what Rollback would refuse at once.
func (s *Service) CheckRollback(ctx context.Context, ref string, req RollbackRequest) (VM, error) {
	v, _, err := s.rollbackTarget(ctx, ref, req.Snapshot)
	return v, err
}

// rollbackTarget finds the VM and its snapshot, which can be used.
func (s *Service) rollbackTarget(ctx context.Context, ref, name string) (VM, snapshot.Snapshot, error) {
	v, all, err := s.Snapshots(ctx, ref)
	if err != nil {
		return v, snapshot.Snapshot{}, err
	}
	if v.State == Suspended {
		return v, snapshot.Snapshot{}, inItsMemory(v)
	}
	var to snapshot.Snapshot
	if name == "" {
		to, err = snapshot.Latest(all, v.Name)
	} else {
		to, err = snapshot.Find(all, v.Name, name)
	}
	if err == nil {
		err = snapshot.CheckNew(all, v.Name, "")
	}
	if err == nil {
		err = usable(to)
	}
	return v, to, err
}

// usable returns why a snapshot cannot be.
func usable(one snapshot.Snapshot) error {
	if one.Damaged == "" {
		return nil
	}
	return fault.New(fault.Internal, "snapshot %s is damaged: %s", one.Label(), one.Damaged).WithHint("use another snapshot")
}

// replaceDisk is a rollback of a VM that must not be alive.
func (s *Service) replaceDisk(ctx context.Context, id string, to snapshot.Snapshot, p operation.Progress) (RolledBack, error) {
	v, release, err := s.claimed(ctx, id, "rollback")
	if err != nil {
		return RolledBack{}, err
	}
	defer release()
	if v.State == Suspended {
		return RolledBack{}, inItsMemory(v)
	}
	if v.State.Alive() {
		return RolledBack{}, fault.New(fault.Conflict, "VM %s was started again", v.Name).Try(act.VMStop.On(v.Name))
	}
	all, err := s.deps.Snapshots.List(ctx, v.ID)
	if err != nil {
		return RolledBack{}, err
	}
	if to, err = snapshot.Find(all, v.Name, to.ID); err != nil { // it may be gone by now
		return RolledBack{}, err
	}
	keep := s.describe(ctx, v, snapshot.FreeName(all, "before-rollback", s.now()), snapshot.Rollback)
	keep.Note = "what the VM was before the rollback to " + to.Label()
	if err := snapshot.CheckNew(all, v.Name, keep.Name); err != nil {
		return RolledBack{}, err
	}
	done := RolledBack{To: to}
	undo := func(ctx context.Context) error { return s.deps.Snapshots.Undo(ctx, v.ID) }
	err = operation.RunSteps(ctx, p, []operation.Step{
		{Name: "copy", Undo: undo, Do: func(ctx context.Context) error { return s.deps.Snapshots.Stage(ctx, v.ID, to.ID, p) }},
		{Name: "keep", Undo: undo, Do: func(ctx context.Context) (err error) {
			done.Kept, err = s.deps.Snapshots.Keep(ctx, keep, to.ID, s.saving(ctx, v))
			return err
		}},
		{Name: "replace", Undo: undo, Do: func(ctx context.Context) error {
			ctx = context.WithoutCancel(ctx) // nothing is undone from here on
			if err := s.deps.Snapshots.Swap(ctx, v.ID); err != nil {
				return err
			}
			return s.settleRollback(ctx, v.ID)
		}},
	})
	if err != nil {
		return RolledBack{}, err
	}
	s.tellSnapshot(v, done.Kept, SnapshotTaken)
	s.tellSnapshot(v, to, SnapshotRestored)
	done.VM, err = s.byID(ctx, v.ID)
	return done, err
}

// settleRollback brings what is known of a VM in line with its disk, once that is the
// snapshot's, and else undoes the rollback. It can be done again.
func (s *Service) settleRollback(ctx context.Context, id string) error {
	if s.deps.Snapshots == nil {
		return nil
	}
	b, begun, err := s.deps.Snapshots.Begun(ctx, id)
	if err != nil || !begun {
		return err
	}
	if !b.Swapped {
		return s.deps.Snapshots.Undo(ctx, id)
	}
	all, err := s.deps.Snapshots.List(ctx, id)
	if err != nil {
		return err
	}
	to, err := snapshot.Find(all, id, b.To)
	if err != nil {
		return err
	}
	if s.deps.Workspaces != nil {
		if err := s.deps.Workspaces.Load(ctx, id, s.deps.Snapshots.Workspace(id, to.ID)); err != nil {
			return err
		}
	}
	_, err = s.update(ctx, id, func(v *VM) error {
		v.DiskBytes, v.ResetPending = to.DiskBytes, to.ResetPending
		v.State, v.StartID = Stopped, "" // no start had this disk
		v.ExitReason, v.ExitMessage, v.ExitHint = "", "", nil
		return nil
	})
	if err != nil {
		return err
	}
	return s.deps.Snapshots.Finish(ctx, id)
}

// settleRollbacks finishes or undoes what an earlier daemon was at.
func (s *Service) settleRollbacks(ctx context.Context, vms []VM) {
	for _, v := range vms {
		if v.State.Alive() || v.Provisional {
			continue
		}
		if err := s.settleRollback(ctx, v.ID); err != nil { // its next start tries again
			s.log.Warn("a rollback was interrupted and is not settled", "vm", v.ID, "name", v.Name, "error", err)
		}
	}
}
