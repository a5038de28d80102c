package vm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// TestReconcile has a daemon end and another begin, with a running VM and
// something that happens to it in between.
func TestReconcile(t *testing.T) {
	tests := map[string]struct {
		between    func(h *harness, m *fakeMachine)
		state      vm.State
		reason     string
		adoptsLate bool
	}{
		"it lives on":           {func(*harness, *fakeMachine) {}, vm.Running, "", false},
		"it was paused":         {func(_ *harness, m *fakeMachine) { m.set(func(s *vm.Status) { s.Paused = true }) }, vm.Paused, "", false},
		"it powered off":        {func(_ *harness, m *fakeMachine) { m.exit(vm.ReasonPoweroff, false) }, vm.Stopped, vm.ReasonPoweroff, false},
		"its VMM failed":        {func(_ *harness, m *fakeMachine) { m.exit(vm.ReasonVMMFailed, true) }, vm.Failed, vm.ReasonVMMFailed, false},
		"its monitor died":      {func(_ *harness, m *fakeMachine) { m.vanish() }, vm.Failed, vm.ReasonMonitorDied, false},
		"the exit is of before": {staleExit, vm.Failed, vm.ReasonMonitorDied, false},
		"the host was booted":   {func(h *harness, m *fakeMachine) { m.vanish(); h.host.facts.BootID = "boot-2" }, vm.Stopped, vm.ReasonHostRestart, false},
		"it stopped, then the host was booted": {func(h *harness, m *fakeMachine) {
			m.exit(vm.ReasonStopped, false)
			h.host.facts.BootID = "boot-2"
		}, vm.Stopped, vm.ReasonStopped, false},
		"the host was booted, and the exit is of before": {func(h *harness, m *fakeMachine) {
			staleExit(h, m)
			h.host.facts.BootID = "boot-2"
		}, vm.Stopped, vm.ReasonHostRestart, false},
		"its monitor does not answer": {func(h *harness, m *fakeMachine) { h.machines.deaf[m.id] = struct{}{} }, vm.Running, "", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			before := h.create("web", true)
			m := h.machine()
			h.restartDaemon(func() { tt.between(h, m) })
			v := h.eventually("web", inState(tt.state))
			if v.ExitReason != tt.reason || v.StartID != before.StartID {
				t.Errorf("VM = %+v", v)
			}
			if v.StoppedAt.IsZero() == !tt.state.Alive() {
				t.Errorf("stopped at %v", v.StoppedAt)
			}
			if tt.adoptsLate {
				delete(h.machines.deaf, m.id)
			}
			if tt.state.Alive() {
				if stopped, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil || stopped.State != vm.Stopped {
					t.Errorf("Stop of the adopted VM = %+v, %v", stopped, err)
				}
			}
			if err := h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet); err != nil {
				t.Errorf("Delete: %v", err)
			}
			h.nothingLeft()
		})
	}
}

func staleExit(h *harness, m *fakeMachine) {
	m.vanish()
	h.machines.exits[m.id] = vm.Exit{StartID: "another", Reason: vm.ReasonStopped, At: time.Now()}
}

func TestReconcileRemovesWhatIsHalfMade(t *testing.T) {
	h := newHarness(t)
	h.create("whole", true)
	half := h.create("half", true)
	off := h.create("off", false)
	h.restartDaemon(func() {
		for _, id := range []string{half.ID, off.ID} { // killed between start and commit, or in a delete
			if _, err := h.store.Update(t.Context(), id, func(v *vm.VM) error { v.Provisional = true; return nil }); err != nil {
				t.Fatal(err)
			}
		}
	})
	vms, err := h.svc.List(t.Context(), vm.Filter{})
	if err != nil || len(vms) != 1 || vms[0].Name != "whole" {
		t.Errorf("VMs = %+v, %v", vms, err)
	}
	if h.machines.count() != 1 || h.disks.count() != 1 {
		t.Errorf("%d machines, %d disks", h.machines.count(), h.disks.count())
	}
}

func TestReconcileLeavesADiskWithoutARecord(t *testing.T) {
	h := newHarness(t)
	h.restartDaemon(func() { h.disks.bytes["feedfeedfeedfeed"] = gib })
	if h.disks.size("feedfeedfeedfeed") != gib {
		t.Error("the disk of a VM whose record was lost was removed")
	}
}

func TestReconcileAdoptsManySideBySide(t *testing.T) {
	h := newHarness(t)
	for n := range 50 {
		h.create(fmt.Sprint("vm-", n), true)
	}
	h.restartDaemon(func() {})
	for n := range 50 {
		v := h.get(fmt.Sprint("vm-", n))
		h.eventually(v.Name, func(vm.VM) bool { _, ok := h.svc.Runtime(v.ID); return ok })
	}
}

func TestNames(t *testing.T) {
	h := newHarness(t)
	ids := map[string]string{"red": "aa00000000000001", "blue": "aa00000000000002", "aa0": "bb00000000000003"}
	for name, id := range ids {
		v := record(id, name)
		insert(t, h.store, v)
	}
	for ref, want := range map[string]string{"red": "red", "aa00000000000002": "blue", "bb": "aa0", "aa0": "aa0"} {
		if v, err := h.svc.Get(t.Context(), ref); err != nil || v.Name != want {
			t.Errorf("Get(%q) = %q, %v; want %q", ref, v.Name, err, want)
		}
	}
	_, err := h.svc.Get(t.Context(), "aa")
	wantFault(t, err, fault.Invalid, `"aa"`, "red (aa00000000000001)", "blue (aa00000000000002)")
	for _, ref := range []string{"re", "cc", "%", "aa*"} {
		_, err := h.svc.Get(t.Context(), ref)
		wantFault(t, err, fault.NotFound, ref)
	}
	_, err = h.svc.Get(t.Context(), "")
	wantFault(t, err, fault.Invalid)
}

func TestManyCandidatesAreCutShort(t *testing.T) {
	h := newHarness(t)
	for n := range 20 {
		insert(t, h.store, record(fmt.Sprintf("aa%014d", n), fmt.Sprint("vm-", n)))
	}
	_, err := h.svc.Get(t.Context(), "aa")
	wantFault(t, err, fault.Invalid, "…")
}

func TestListFiltersByLabel(t *testing.T) {
	h := newHarness(t)
	for name, labels := range map[string]map[string]string{
		"one": {"team": "red", "tier": "web"}, "two": {"team": "blue"}, "three": nil,
	} {
		req := vm.CreateRequest{Name: &name, Labels: labels}
		if _, err := h.svc.Create(t.Context(), req, operation.Discard{}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		filter map[string]string
		want   int
	}{
		{nil, 3},
		{map[string]string{"team": ""}, 2},
		{map[string]string{"team": "red"}, 1},
		{map[string]string{"team": "red", "tier": "db"}, 0},
		{map[string]string{"none": ""}, 0},
	}
	for _, tt := range tests {
		vms, err := h.svc.List(t.Context(), vm.Filter{Labels: tt.filter})
		if err != nil || len(vms) != tt.want {
			t.Errorf("List(%v) = %d VMs, %v; want %d", tt.filter, len(vms), err, tt.want)
		}
	}
}
