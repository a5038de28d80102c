package snapshot

import (
	"context"

	"github.com/bangervm/banger/internal/operation"
)

// Store keeps snapshots in the directories of their VMs, which exist. Each method leaves
// the old or the new when the process dies. The caller has one of them at work on a VM at
// a time, and no machine that writes to the disk meanwhile.
type Store interface {
	// List returns those of a VM, oldest first, damaged ones too.
	List(ctx context.Context, vmID string) ([]Snapshot, error)
	// Add copies the disk of the VM, and has also put more beside it, in a directory that it
	// may make. Each may be long. A disk that cannot be shared is copied, and how much
	// that is is said beforehand. It returns what was stored.
	Add(ctx context.Context, s Snapshot, also Also, p operation.Progress) (Snapshot, error)
	// Remove removes one. None is no error.
	Remove(ctx context.Context, vmID, id string) error
	// Check returns why a snapshot cannot be used, if its files are not what they were.
	Check(s Snapshot) error
	// Disk is where the disk of a snapshot is.
	Disk(vmID, id string) string
	// Workspace is the directory that Add gave to also.
	Workspace(vmID, id string) string
	// Clone makes the directory of another VM with a copy of a snapshot's disk, or for an
	// empty id of the VM's own, as its disk.
	Clone(ctx context.Context, vmID, id, toVM string, p operation.Progress) error

	Rollbacks
}

// Also puts something into a directory that does not exist yet, and into the description.
type Also func(dir string, s *Snapshot) error

// Rollbacks are the steps of putting a snapshot in the place of a VM's disk, in their order.
// After Swap, and not before, Swapped is true of what Begun returns.
type Rollbacks interface {
	// Stage puts a copy of the snapshot's disk beside the VM's.
	Stage(ctx context.Context, vmID, id string, p operation.Progress) error
	// Keep makes the VM's disk, which stays in its place too, the disk of a snapshot. The
	// rollback to the snapshot with the id to has begun.
	Keep(ctx context.Context, s Snapshot, to string, also Also) (Snapshot, error)
	// Swap puts the staged disk in the place of the VM's.
	Swap(ctx context.Context, vmID string) error
	// Finish says that the rollback is done.
	Finish(ctx context.Context, vmID string) error
	// Undo takes back what was done of a rollback before Swap.
	Undo(ctx context.Context, vmID string) error
	// Begun returns the rollback that has begun and is not finished; false: there is none.
	Begun(ctx context.Context, vmID string) (Begun, bool, error)
}

// Begun is a rollback that is under way, or was when bangerd died.
type Begun struct {
	To      string // the ID of the snapshot
	Kept    string // the ID of the one with what the VM was
	Swapped bool   // the VM has the snapshot's disk
}
