package server_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
)

// snapshots is a server.Snapshots: web has two.
type snapshots struct{ *world }

func twoSnapshots() []snapshot.Snapshot {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return []snapshot.Snapshot{
		{ID: "00000000000000c1", Name: "first", Kind: snapshot.Disk, Origin: snapshot.Asked, CreatedAt: at, DiskBytes: 1 << 30, SizeBytes: 4096},
		{ID: "00000000000000c2", Name: "kept", Kind: snapshot.Disk, Origin: snapshot.Rollback, CreatedAt: at, SizeBytes: 8192, Workspace: "/root/repo", Work: snapshot.WorkChanged},
	}
}

func (s snapshots) did(ctx context.Context, format string, args ...any) (vm.VM, error) {
	s.note(fmt.Sprintf(format, args...))
	return s.Get(ctx, "web")
}

func (s snapshots) CheckSnapshot(ctx context.Context, ref string, _ vm.SnapshotRequest) (vm.VM, error) {
	return s.Get(ctx, ref)
}

func (s snapshots) CheckRollback(ctx context.Context, ref string, _ vm.RollbackRequest) (vm.VM, error) {
	return s.Get(ctx, ref)
}

func (s snapshots) CheckFork(ctx context.Context, ref string, req vm.ForkRequest) (vm.VM, error) {
	if req.Count > 9 {
		return vm.VM{}, fault.New(fault.Invalid, "a count of %d is not valid", req.Count)
	}
	return s.Get(ctx, ref)
}

func (s snapshots) CreateSnapshot(ctx context.Context, ref string, req vm.SnapshotRequest, _ operation.Progress) (snapshot.Snapshot, error) {
	_, err := s.did(ctx, "snapshot %s %s %q %v", ref, *req.Name, req.Note, req.DiskOnly)
	return twoSnapshots()[0], err
}

func (s snapshots) Snapshots(ctx context.Context, ref string) (vm.VM, []snapshot.Snapshot, error) {
	v, err := s.Get(ctx, ref)
	if err != nil || v.Name != "web" {
		return v, nil, err
	}
	return v, twoSnapshots(), nil
}

func (s snapshots) Snapshot(ctx context.Context, ref, name string) (vm.VM, snapshot.Snapshot, error) {
	v, all, err := s.Snapshots(ctx, ref)
	if err != nil {
		return v, snapshot.Snapshot{}, err
	}
	one, err := snapshot.Find(all, v.Name, name)
	return v, one, err
}

func (s snapshots) DeleteSnapshot(ctx context.Context, ref, name string, discardWork bool) (vm.VM, snapshot.Snapshot, error) {
	v, err := s.did(ctx, "delete snapshot %s %s %v", ref, name, discardWork)
	return v, twoSnapshots()[1], err
}

func (s snapshots) DiffSnapshot(ctx context.Context, ref, from, to string) ([]snapshot.Change, int, error) {
	_, err := s.did(ctx, "diff %s %s %s", ref, from, to)
	return []snapshot.Change{{Path: "/srv/\x1b[2J", Kind: "added"}}, 7, err
}

func (s snapshots) PruneSnapshots(ctx context.Context, ref string, how snapshot.Pruning, dryRun bool) ([]vm.PrunedSnapshots, error) {
	v, err := s.did(ctx, "prune %s %+v %v", ref, how, dryRun)
	return []vm.PrunedSnapshots{{VM: v, Gone: twoSnapshots()[:1], Held: twoSnapshots()[1:]}}, err
}

func (s snapshots) Rollback(ctx context.Context, ref string, req vm.RollbackRequest, _ operation.Progress) (vm.RolledBack, error) {
	v, err := s.did(ctx, "rollback %s %+v", ref, req)
	return vm.RolledBack{VM: v, To: twoSnapshots()[0], Kept: twoSnapshots()[1]}, err
}

func (s snapshots) Fork(ctx context.Context, ref string, req vm.ForkRequest, _ operation.Progress) ([]vm.VM, error) {
	v, err := s.did(ctx, "fork %s %s %d from %q, files %v, start %v", ref, *req.Name, req.Count, req.From, req.WithFiles, req.Start)
	return []vm.VM{v}, err
}

func TestSnapshotVerbsBecomeOperations(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	const web = "00000000000000aa"
	name, three, no := "s", 3, false
	for _, begin := range []func() (api.Operation, error){
		func() (api.Operation, error) {
			return f.client.CreateSnapshot(ctx, "web", api.CreateSnapshot{Name: &name, Note: "n", DiskOnly: true})
		},
		func() (api.Operation, error) {
			return f.client.RollbackVM(ctx, "web", api.RollbackVM{Snapshot: "first", NoStart: true})
		},
		func() (api.Operation, error) {
			return f.client.ForkVM(ctx, "web", api.ForkVM{Name: &name, Count: &three, From: "first", WithFiles: true, Start: &no})
		},
		func() (api.Operation, error) { return f.client.ForkVM(ctx, "web", api.ForkVM{Name: &name}) },
	} {
		op, err := begin()
		if err == nil {
			op, err = f.client.Wait(ctx, op.ID, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if op.Kind == "vm.rollback" {
			done, err := client.Result[api.RolledBackVM](op)
			if err != nil || done.VM.ID != web || done.Snapshot.Name != "first" || done.Kept.Work != api.WorkspaceChanged || done.Kept.VM != "web" {
				t.Errorf("%+v, %v", done, err)
			}
		}
	}
	if one, err := f.client.DeleteSnapshot(ctx, "web", "kept", true); err != nil || one.Name != "kept" {
		t.Errorf("%+v, %v", one, err)
	}
	pruned, err := f.client.PruneSnapshots(ctx, api.PruneSnapshots{VM: "web", All: true, Keep: 2, DryRun: true})
	if err != nil || pruned.ReclaimedBytes != 4096 || len(pruned.Held) != 1 {
		t.Errorf("%+v, %v", pruned, err)
	}
	want := []string{
		"snapshot " + web + ` s "n" true`, "rollback " + web + " {Snapshot:first NoStart:true}",
		"fork " + web + ` s 3 from "first", files true, start false`, "fork " + web + ` s 1 from "", files false, start true`,
		"delete snapshot web kept true", "prune web {All:true Keep:2 DiscardWork:false} true",
	}
	if diff := cmp.Diff(want, f.calls()); diff != "" {
		t.Error(diff)
	}
	many := 10
	if _, err := f.client.ForkVM(ctx, "web", api.ForkVM{Count: &many}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a count of 10: %v", err)
	}
}

func TestSnapshotsAreShown(t *testing.T) {
	f := start(t)
	all, err := f.client.ListSnapshots(t.Context(), "web")
	if err != nil || len(all) != 2 || all[0].Name != "first" || all[0].VM != "web" || all[0].DiskBytes != 1<<30 {
		t.Errorf("%+v, %v", all, err)
	}
	if one, err := f.client.GetSnapshot(t.Context(), "web", "00000000000000c2"); err != nil || one.Origin != api.SnapshotOfRollback {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := f.client.GetSnapshot(t.Context(), "web", "other"); !errors.Is(err, fault.NotFound) {
		t.Errorf("another: %v", err)
	}
	diff, err := f.client.DiffSnapshot(t.Context(), "web", "first", "kept")
	if want := "diff web first kept"; err != nil || f.calls()[0] != want || diff.Total != 7 || diff.Changes[0].Path == "/srv/\x1b[2J" || diff.Changes[0].Change != "added" {
		t.Errorf("%+v, %v, %q", diff, err, f.calls())
	}
	v, err := f.client.GetVM(t.Context(), "web")
	if diff := cmp.Diff(&api.VMSnapshots{Count: 2, SizeBytes: 12288}, v.Snapshots); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
