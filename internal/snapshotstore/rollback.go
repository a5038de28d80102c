package snapshotstore

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/statedir"
)

// begun is rollback.json. It is written before the kept snapshot is there, and removed when
// the record of the VM is of the new disk.
type begun struct {
	Format int    `json:"format"`
	To     string `json:"to"`
	Kept   string `json:"kept"`
}

// Stage implements snapshot.Rollbacks.
func (s *Store) Stage(ctx context.Context, vmID, id string, p operation.Progress) error {
	vm := s.dirs.VM(vmID)
	if err := os.RemoveAll(vm.DiskStaged()); err != nil {
		return err
	}
	return clone(ctx, vm.Snapshot(id).Disk(), vm.DiskStaged(), p)
}

// Keep implements snapshot.Rollbacks. The disk gets a second name, so that nothing is
// copied; Swap takes its first one away.
func (s *Store) Keep(_ context.Context, one snapshot.Snapshot, to string, also snapshot.Also) (snapshot.Snapshot, error) {
	vm := s.dirs.VM(one.VMID)
	if err := writeJSON(vm.Rollback(), begun{Format: format, To: to, Kept: one.ID}); err != nil {
		return one, err
	}
	return s.add(one, also, func(dst string) error { return os.Link(vm.Disk(), dst) })
}

// Swap implements snapshot.Rollbacks.
func (s *Store) Swap(_ context.Context, vmID string) error {
	vm := s.dirs.VM(vmID)
	if err := os.Rename(vm.DiskStaged(), vm.Disk()); err != nil {
		return err
	}
	return statedir.SyncDir(string(vm))
}

// Finish implements snapshot.Rollbacks.
func (s *Store) Finish(_ context.Context, vmID string) error {
	return removed(s.dirs.VM(vmID).Rollback())
}

// Undo implements snapshot.Rollbacks.
func (s *Store) Undo(ctx context.Context, vmID string) error {
	vm := s.dirs.VM(vmID)
	b, found, err := s.Begun(ctx, vmID)
	if err != nil || found && b.Swapped {
		return err
	}
	if found {
		if err := s.Remove(ctx, vmID, b.Kept); err != nil {
			return err
		}
	}
	return errors.Join(removed(vm.DiskStaged()), removed(vm.Rollback()))
}

// Begun implements snapshot.Rollbacks. The disk of the kept snapshot is the VM's own until
// Swap.
func (s *Store) Begun(_ context.Context, vmID string) (snapshot.Begun, bool, error) {
	vm := s.dirs.VM(vmID)
	var b begun
	err := readJSON(vm.Rollback(), &b)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot.Begun{}, false, nil
	}
	if err != nil {
		return snapshot.Begun{}, false, err
	}
	out := snapshot.Begun{To: b.To, Kept: b.Kept}
	kept, err := os.Stat(vm.Snapshot(b.Kept).Disk())
	if errors.Is(err, fs.ErrNotExist) { // it was not yet there
		return out, true, nil
	}
	if err != nil {
		return out, false, err
	}
	now, err := os.Stat(vm.Disk())
	if err != nil {
		return out, false, err
	}
	out.Swapped = !os.SameFile(kept, now)
	return out, true, nil
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
