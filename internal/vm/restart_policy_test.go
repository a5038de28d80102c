package vm_test

import (
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// TestSetTheRestartPolicy of a stopped VM whose image's program runs, and of no other.
func TestSetTheRestartPolicy(t *testing.T) {
	h := newHarness(t)
	for name, policy := range map[string]vm.RestartPolicy{"plain": "", "served": vm.RestartNo} {
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: &name}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		// The image of these tests has no program.
		if _, err := h.store.Update(t.Context(), v.ID, func(v *vm.VM) error { v.Entrypoint = policy; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set := func(name string, policy vm.RestartPolicy) (vm.VM, error) {
		return h.svc.Set(t.Context(), name, vm.Change{Entrypoint: &policy})
	}
	if v, err := set("served", vm.RestartAlways); err != nil || v.Entrypoint != vm.RestartAlways {
		t.Errorf("%q, %v", v.Entrypoint, err)
	}
	for _, bad := range []vm.RestartPolicy{"", "sometimes"} {
		_, err := set("served", bad)
		wantFault(t, err, fault.Invalid, "restart policy")
	}
	_, err := set("plain", vm.RestartAlways)
	wantFault(t, err, fault.Conflict, "does not run its image's entrypoint")
	if _, err := h.svc.Start(t.Context(), "served", vm.WaitReady(), operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	_, err = set("served", vm.RestartNo)
	wantFault(t, err, fault.Conflict, "only its labels")
}
