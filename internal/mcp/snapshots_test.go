package mcp

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func (f *fake) ListSnapshots(_ context.Context, vm string) ([]api.Snapshot, error) {
	return []api.Snapshot{{Name: "base", Origin: api.SnapshotAsked}}, f.find(vm)
}

func (f *fake) CreateSnapshot(_ context.Context, vm string, req api.CreateSnapshot) (api.Operation, error) {
	if !req.DiskOnly {
		return api.Operation{}, fault.New(fault.Conflict, "VM box is running").WithHint("%s, or %s", act.VMStop.On(vm), act.SnapshotCreate.On(vm, act.DiskOnly))
	}
	f.snaps = append(f.snaps, req)
	return api.Operation{ID: "snapshot.create"}, f.find(vm)
}

func (f *fake) RollbackVM(_ context.Context, vm string, req api.RollbackVM) (api.Operation, error) {
	f.backs = append(f.backs, req)
	return api.Operation{ID: "vm.rollback"}, f.find(vm)
}

func (f *fake) ForkVM(_ context.Context, vm string, req api.ForkVM) (api.Operation, error) {
	f.forks = append(f.forks, req)
	return api.Operation{ID: "vm.fork"}, f.find(vm)
}

func TestSnapshotsAreTools(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	p := refused(t, s, "snapshot_create", object{"vm": "box"})
	if want := `call vm_stop {"vm": "box"}, or call snapshot_create {"vm": "box", "disk_only": true}`; p.Code != "conflict" || p.Hint != want {
		t.Errorf("%+v, want the hint %s", p, want)
	}
	name, two, yes, one := "base", 2, true, 1
	if got := get[snapshot](t, s, "snapshot_create", object{"vm": "box", "name": "base", "note": "n", "disk_only": true}); got.Name != "base" || got.SizeBytes != 4096 {
		t.Errorf("%+v", got)
	}
	if got := get[snapshotListResult](t, s, "snapshot_list", object{"vm": "box"}); len(got.Snapshots) != 1 || got.Snapshots[0].Name != "base" {
		t.Errorf("%+v", got)
	}
	if got := get[vmRollbackResult](t, s, "vm_rollback", object{"vm": "box", "snapshot": "base"}); got.VM.Name != "box" || got.Kept.Name != "before" {
		t.Errorf("%+v", got)
	}
	if got := get[vmForkResult](t, s, "vm_fork", object{"vm": "box", "name": "base", "count": 2, "from": "base"}); len(got.VMs) != 2 || got.VMs[1].Name != "try-2" {
		t.Errorf("%+v", got)
	}
	get[vmForkResult](t, s, "vm_fork", object{"vm": "box"})
	if diff := cmp.Diff([]api.CreateSnapshot{{Name: &name, Note: "n", DiskOnly: true}}, f.snaps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]api.RollbackVM{{Snapshot: "base"}}, f.backs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]api.ForkVM{{Name: &name, Count: &two, From: "base", Start: &yes}, {Count: &one, Start: &yes}}, f.forks); diff != "" {
		t.Error(diff)
	}
	if p := refused(t, s, "vm_fork", object{"vm": "box", "count": 33}); p.Code != "invalid" {
		t.Errorf("33 forks: %+v", p)
	}
	if p := refused(t, s, "vm_rollback", object{"vm": "none"}); p.Code != "not_found" {
		t.Errorf("no VM: %+v", p)
	}
}
