package vm

import (
	"context"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/snapshot"
)

// Diffs compares disks.
type Diffs interface {
	// Diff returns what the guest of the disk newer sees otherwise than that of older, both over
	// the image with this ID, at most snapshot.MostChanges, and how much that is in all.
	Diff(ctx context.Context, imageID, older, newer string) ([]snapshot.Change, int, error)
}

// DiffSnapshot compares a snapshot with a later one, or for an empty to with the VM's disk.
// The VM must be stopped then: Conflict.
func (s *Service) DiffSnapshot(ctx context.Context, ref, from, to string) ([]snapshot.Change, int, error) {
	v, release, err := s.claimed(ctx, ref, "diff")
	if err != nil {
		return nil, 0, err
	}
	defer release()
	older, err := s.diskOf(ctx, v, from)
	if err != nil {
		return nil, 0, err
	}
	newer := s.deps.Disks.Path(v.ID)
	if to != "" {
		newer, err = s.diskOf(ctx, v, to)
	} else if v.State.Alive() {
		err = fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).
			WithHint("%s, or compare with a snapshot: %s", act.VMStop.On(v.Name), act.SnapshotCreate.On(v.Name, act.DiskOnly))
	}
	if err != nil {
		return nil, 0, err
	}
	return s.deps.Diffs.Diff(ctx, v.ImageID, older, newer)
}

// diskOf is the disk of a snapshot that can be used.
func (s *Service) diskOf(ctx context.Context, v VM, name string) (string, error) {
	_, one, err := s.Snapshot(ctx, v.ID, name)
	if err == nil {
		err = usable(one)
	}
	return s.deps.Snapshots.Disk(v.ID, one.ID), err
}
