package vm

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
)

// SnapshotHappening is what becomes of a snapshot.
type SnapshotHappening string

// What can become of one: it is taken, it is removed, its VM goes back to it.
const (
	SnapshotTaken    SnapshotHappening = "created"
	SnapshotRemoved  SnapshotHappening = "deleted"
	SnapshotRestored SnapshotHappening = "restored"
)

// SnapshotRequest asks for a snapshot. Nil means the default.
type SnapshotRequest struct {
	Name *string
	Note string
	// DiskOnly has a running VM paused while its disk is copied.
	DiskOnly bool
}

// CheckSnapshot returns what CreateSnapshot would refuse of a request by itself.
func (s *Service) CheckSnapshot(ctx context.Context, ref string, req SnapshotRequest) (VM, error) {
	v, err := s.Get(ctx, ref)
	if err != nil {
		return VM{}, err
	}
	if req.Name != nil {
		if err := validateLabel("snapshot", *req.Name); err != nil {
			return v, err
		}
	}
	if err := snapshot.CheckNote(req.Note); err != nil {
		return v, err
	}
	return v, stillEnough(v, req.DiskOnly)
}

// stillEnough returns why the disk of a VM cannot be copied: Conflict while it is written to.
func stillEnough(v VM, diskOnly bool) error {
	switch {
	case v.State == Suspended:
		return inItsMemory(v)
	case !v.State.Alive():
		return nil
	case v.State != Running && v.State != Paused:
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).WithHint("try again when it is ready or stopped")
	case !diskOnly:
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).
			WithHint("%s, or copy its disk without its memory: %s", act.VMStop.On(v.Name), act.SnapshotCreate.On(v.Name, act.DiskOnly))
	}
	return nil
}

// inItsMemory is why the disk of a suspended VM is not copied or replaced: its machine goes on with
// what it knows of that disk, and has not written yet.
func inItsMemory(v VM) error {
	return fault.New(fault.Conflict, "VM %s is suspended: its memory goes on with its disk", v.Name).Try(act.VMResume.On(v.Name))
}

// CreateSnapshot keeps the disk of a VM as it is. A VM that is alive is a Conflict, unless
// the request is for its disk only: then the guest writes what it holds back, and stands
// still while the disk is copied. Cancelled, or failing, it leaves nothing.
func (s *Service) CreateSnapshot(ctx context.Context, ref string, req SnapshotRequest, p operation.Progress) (snapshot.Snapshot, error) {
	if _, err := s.CheckSnapshot(ctx, ref, req); err != nil {
		return snapshot.Snapshot{}, err
	}
	v, release, err := s.claimed(ctx, ref, "snapshot")
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	defer release()
	if err := stillEnough(v, req.DiskOnly); err != nil {
		return snapshot.Snapshot{}, err
	}
	all, err := s.deps.Snapshots.List(ctx, v.ID)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	name := snapshot.FreeName(all, "snapshot", s.now())
	if req.Name != nil {
		name = *req.Name
	}
	if err := snapshot.CheckNew(all, v.Name, name); err != nil {
		return snapshot.Snapshot{}, err
	}
	one := s.describe(ctx, v, name, snapshot.Asked)
	one.Note = req.Note
	var made snapshot.Snapshot
	err = s.whileStill(ctx, v, p, func(ctx context.Context) (err error) {
		p.Stage("copy")
		made, err = s.deps.Snapshots.Add(ctx, one, s.saving(ctx, v), p)
		return err
	})
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	s.tellSnapshot(v, made, SnapshotTaken)
	return made, nil
}

// describe is what is known of a snapshot before its disk is there.
func (s *Service) describe(ctx context.Context, v VM, name string, origin snapshot.Origin) snapshot.Snapshot {
	one := snapshot.Snapshot{
		ID: ids.New(), VMID: v.ID, Name: name, Kind: snapshot.Disk, Origin: origin, CreatedAt: s.now().Truncate(time.Millisecond),
		Live: v.State.Alive(), ImageID: v.ImageID, Kernel: v.Kernel, DiskBytes: v.DiskBytes, ResetPending: v.ResetPending,
	}
	if img, err := s.deps.Images.ByID(ctx, v.ImageID); err == nil { // a damaged image is no reason to have no snapshot
		one.ImageDigest = img.Digest
	}
	return one
}

// saving puts the workspace of a VM beside its disk, and into the description.
func (s *Service) saving(ctx context.Context, v VM) snapshot.Also {
	if s.deps.Workspaces == nil {
		return nil
	}
	return func(dir string, one *snapshot.Snapshot) (err error) {
		one.Workspace, one.Work, err = s.deps.Workspaces.Save(ctx, v, dir)
		return err
	}
}

// Snapshots returns a VM and its snapshots, oldest first.
func (s *Service) Snapshots(ctx context.Context, ref string) (VM, []snapshot.Snapshot, error) {
	v, err := s.Get(ctx, ref)
	if err != nil || s.deps.Snapshots == nil {
		return v, nil, err
	}
	all, err := s.deps.Snapshots.List(ctx, v.ID)
	return v, all, err
}

// Snapshot returns one of a VM, by its name or ID.
func (s *Service) Snapshot(ctx context.Context, ref, name string) (VM, snapshot.Snapshot, error) {
	v, all, err := s.Snapshots(ctx, ref)
	if err != nil {
		return v, snapshot.Snapshot{}, err
	}
	one, err := snapshot.Find(all, v.Name, name)
	return v, one, err
}

// DeleteSnapshot removes a snapshot. One with work that is nowhere else is a Conflict,
// unless that is to be discarded.
func (s *Service) DeleteSnapshot(ctx context.Context, ref, name string, discardWork bool) (VM, snapshot.Snapshot, error) {
	v, release, err := s.claimed(ctx, ref, "snapshot delete")
	if err != nil {
		return VM{}, snapshot.Snapshot{}, err
	}
	defer release()
	_, one, err := s.Snapshot(ctx, v.ID, name)
	if err != nil {
		return v, one, err
	}
	if one.OnlyWork() && !discardWork {
		return v, one, fault.New(fault.Conflict, "snapshot %s %s", one.Label(), onlyWork(one)).
			WithHint("go back to it and export the work, or %s to discard it", act.SnapshotDelete.On(v.Name, act.DiscardWork).To(one.Label()))
	}
	return v, one, s.removeSnapshot(ctx, v, one)
}

func (s *Service) removeSnapshot(ctx context.Context, v VM, one snapshot.Snapshot) error {
	if err := s.deps.Snapshots.Remove(context.WithoutCancel(ctx), v.ID, one.ID); err != nil {
		return err
	}
	s.tellSnapshot(v, one, SnapshotRemoved)
	return nil
}

// onlyWork is a predicate of a snapshot whose work is nowhere else.
func onlyWork(one snapshot.Snapshot) string {
	has := "may have"
	if one.Work == snapshot.WorkChanged {
		has = "has"
	}
	return has + " unexported work in " + one.Workspace + ", which a rollback took out of the VM"
}

// PrunedSnapshots is what a prune did with the snapshots of one VM.
type PrunedSnapshots struct {
	VM   VM
	Gone []snapshot.Snapshot
	Held []snapshot.Snapshot // for their work
}

// PruneSnapshots removes those that the rules choose, of one VM, or for an empty ref of
// all. With dryRun it only tells.
func (s *Service) PruneSnapshots(ctx context.Context, ref string, how snapshot.Pruning, dryRun bool) ([]PrunedSnapshots, error) {
	if err := how.Check(); err != nil {
		return nil, err
	}
	vms, err := s.List(ctx, Filter{})
	if ref != "" {
		var v VM
		v, err = s.Get(ctx, ref)
		vms = []VM{v}
	}
	if err != nil {
		return nil, err
	}
	var out []PrunedSnapshots
	for _, v := range vms {
		pruned, err := s.pruneOne(ctx, v, how, dryRun)
		if len(pruned.Gone)+len(pruned.Held) > 0 {
			out = append(out, pruned)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *Service) pruneOne(ctx context.Context, v VM, how snapshot.Pruning, dryRun bool) (PrunedSnapshots, error) {
	out := PrunedSnapshots{VM: v}
	if !dryRun {
		release, err := s.begin(v, "snapshot prune")
		if err != nil {
			return out, err
		}
		defer release()
	}
	all, err := s.deps.Snapshots.List(ctx, v.ID)
	if err != nil {
		return out, err
	}
	gone, held := how.Choose(all)
	if out.Held = held; dryRun {
		out.Gone = gone
		return out, nil
	}
	for _, one := range gone {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if err := s.removeSnapshot(ctx, v, one); err != nil {
			return out, err
		}
		out.Gone = append(out.Gone, one)
	}
	return out, nil
}

// refuseToLoseSnapshots refuses a delete that takes work with it which only a snapshot has.
func (s *Service) refuseToLoseSnapshots(ctx context.Context, v VM) error {
	_, all, err := s.Snapshots(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.OnlyWork() {
			options := []act.Option{act.DiscardWork}
			if v.State.Alive() {
				options = []act.Option{act.Force, act.DiscardWork}
			}
			return fault.New(fault.Conflict, "snapshot %s of VM %s %s", one.Label(), v.Name, onlyWork(one)).
				WithHint("go back to it and export the work, or %s to discard it", act.VMDelete.On(v.Name, options...))
		}
	}
	return nil
}

func (s *Service) tellSnapshot(v VM, one snapshot.Snapshot, what SnapshotHappening) {
	if s.deps.Events != nil {
		s.deps.Events.SnapshotChanged(v, one, what)
	}
}
