package vm_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func forkNamed(name string, count int) vm.ForkRequest {
	return vm.ForkRequest{Name: &name, Count: count}
}

func TestAForkIsTheVMButForItsIdentity(t *testing.T) {
	h := newKept(t)
	egress, ports := "none", vm.PortsNone
	of, err := h.svc.Create(t.Context(), vm.CreateRequest{
		Name: new("web"), Labels: map[string]string{vm.GroupLabel: "g"}, Env: []string{"A=1"}, Egress: &egress, Ports: &ports,
		Publish: []vm.Publish{{HostPort: 8080, GuestPort: 80}},
	}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if of, err = h.svc.Set(t.Context(), "web", vm.Change{Protected: new(true)}); err != nil {
		t.Fatal(err)
	}
	h.write(of.ID, "mine")
	made, err := h.svc.Fork(t.Context(), "web", forkNamed("try", 3), quiet)
	if err != nil || len(made) != 3 {
		t.Fatalf("%d, %v", len(made), err)
	}
	ids, indexes := []string{of.ID}, []int{of.Index}
	for n, v := range made {
		if slices.Contains(ids, v.ID) || slices.Contains(indexes, v.Index) {
			t.Errorf("%s shares its ID %s or its index %d", v.Name, v.ID, v.Index)
		}
		ids, indexes = append(ids, v.ID), append(indexes, v.Index)
		want := of
		want.ID, want.Name, want.Index, want.CreatedAt = v.ID, []string{"try-1", "try-2", "try-3"}[n], v.Index, v.CreatedAt
		want.Publish, want.Protected, want.Files = nil, false, vm.FilesEmptied
		if diff := cmp.Diff(want, v); diff != "" {
			t.Errorf("fork (-want +got):\n%s", diff)
		}
		if got := h.read(h.dirs.VM(v.ID).Disk()); got != "mine" {
			t.Errorf("%s has the disk %q", v.Name, got)
		}
		if h.disks.name(v.ID) != v.Name || h.disks.identities[v.ID] == h.disks.identities[of.ID] {
			t.Errorf("%s has no identity of its own", v.Name)
		}
		h.nothingStaged(v.ID)
	}
	if len(h.work.copies) != 3 {
		t.Errorf("workspaces copied: %v", h.work.copies)
	}
	if again, err := h.svc.Fork(t.Context(), "web", vm.ForkRequest{Count: 1}, quiet); err != nil || again[0].Name != "web-fork-1" {
		t.Errorf("without a name: %+v, %v", again, err)
	}
}

func TestAForkOfASnapshotHasItsDisk(t *testing.T) {
	h := newKept(t)
	of := h.create("web", false)
	h.write(of.ID, "one")
	h.snap("first")
	h.write(of.ID, "two")
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil { // it may run
		t.Fatal(err)
	}
	req := forkNamed("old", 1)
	req.From = "first"
	made, err := h.svc.Fork(t.Context(), "web", req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.read(h.dirs.VM(made[0].ID).Disk()); got != "one" {
		t.Errorf("the fork has %q", got)
	}
	if !slices.Equal(h.work.loaded, []string{made[0].ID}) {
		t.Errorf("workspaces loaded: %v", h.work.loaded)
	}
}

// Files that are placed are emptied in a fork by its first start, and then none are placed.
func TestAForkGetsNoPlacedFiles(t *testing.T) {
	for name, with := range map[string]bool{"without": false, "with": true} {
		t.Run(name, func(t *testing.T) {
			h := newKept(t)
			h.deps.Files = func(context.Context) ([]vm.File, []string) {
				return []vm.File{{Path: "/root/.token", Mode: 0o600, Data: []byte("secret")}}, nil
			}
			h.restartDaemon(func() {})
			h.create("web", false)
			req := forkNamed("try", 1)
			req.WithFiles, req.Start, req.Wait = with, true, vm.WaitReady()
			if _, err := h.svc.Fork(t.Context(), "web", req, quiet); err != nil {
				t.Fatal(err)
			}
			files := h.machines.lastSpec(t).Guest.Files
			want := ""
			if with {
				want = "secret"
			}
			if len(files) != 1 || string(files[0].Data) != want {
				t.Errorf("the first start places %+v", files)
			}
			h.eventually("try", inState(vm.Running))
			if _, err := h.svc.Restart(t.Context(), "try", 0, vm.WaitReady(), quiet); err != nil {
				t.Fatal(err)
			}
			if files := h.machines.lastSpec(t).Guest.Files; (len(files) == 1) != with {
				t.Errorf("the second start places %+v", files)
			}
		})
	}
}

func TestAForkIsRefused(t *testing.T) {
	h := newKept(t)
	h.create("web", false)
	h.create("taken", false)
	from := forkNamed("try", 1)
	from.From = "none"
	for name, tt := range map[string]struct {
		req   vm.ForkRequest
		code  fault.Code
		words string
	}{
		"no copies":              {forkNamed("try", 0), fault.Invalid, "0"},
		"too many":               {forkNamed("try", 33), fault.Invalid, "33"},
		"a name that is taken":   {forkNamed("taken", 1), fault.Conflict, "taken"},
		"a name that is none":    {forkNamed("No", 1), fault.Invalid, "No"},
		"a snapshot that is not": {from, fault.NotFound, "web"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.svc.Fork(t.Context(), "web", tt.req, quiet)
			wantFault(t, err, tt.code, tt.words)
		})
	}
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	_, err := h.svc.Fork(t.Context(), "web", forkNamed("try", 1), quiet)
	wantFault(t, err, fault.Conflict, "web is running")
}

// Whatever fails before the machines run, nothing is left of the copies.
func TestAForkThatFailsLeavesNothing(t *testing.T) {
	h := newKept(t)
	h.create("web", false)
	req := forkNamed("try", 2)
	req.Start, req.Wait = true, vm.WaitReady()
	for at := 0; ; at++ {
		h.points.reset(at, func() error { return fault.New(fault.Unavailable, "point %d", at) })
		made, err := h.svc.Fork(t.Context(), "web", req, quiet)
		if err == nil {
			if at < 8 || len(made) != 2 {
				t.Errorf("%d copies after %d points", len(made), at)
			}
			return
		}
		h.points.reset(-1, nil)
		all, listErr := h.svc.List(t.Context(), vm.Filter{})
		if listErr != nil {
			t.Fatal(listErr)
		}
		if len(all) != 1 || h.machines.count() != 0 || len(h.disks.names) != 1 {
			t.Errorf("point %d (%v): %d VMs, %d machines, names %v", at, err, len(all), h.machines.count(), h.disks.names)
		}
		if at > 60 {
			t.Fatal(errors.Join(errors.New("it never succeeds"), err))
		}
	}
}
