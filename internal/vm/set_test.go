package vm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestSet(t *testing.T) {
	h := newHarness(t)
	h.create("other", false)
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Labels: map[string]string{"a": "1", "b": "2"}}, quiet); err != nil {
		t.Fatal(err)
	}
	v, err := h.svc.Set(t.Context(), "web", vm.Change{
		Name: new("api"), VCPU: new(1), MemoryBytes: new(256 * mib), DiskBytes: new(9 * gib),
		Labels: map[string]string{"a": "", "b": "3", "c": "4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "api" || v.VCPU != 1 || v.MemoryBytes != 256*mib || v.DiskBytes != 9*gib || h.disks.size(v.ID) != 9*gib {
		t.Errorf("VM = %+v, disk %d", v, h.disks.size(v.ID))
	}
	if diff := cmp.Diff(map[string]string{"b": "3", "c": "4"}, v.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v, h.get("api")); diff != "" {
		t.Errorf("stored VM (-want +got):\n%s", diff)
	}

	if name := h.disks.name(v.ID); name != "api" {
		t.Errorf("it is known as %q", name)
	}

	refusals := map[string]struct {
		change vm.Change
		code   fault.Code
	}{
		"shrink":     {vm.Change{DiskBytes: new(8 * gib)}, fault.Invalid},
		"zero CPUs":  {vm.Change{VCPU: new(0)}, fault.Invalid},
		"memory":     {vm.Change{MemoryBytes: new(int64(-1))}, fault.Invalid},
		"taken name": {vm.Change{Name: new("other"), DiskBytes: new(10 * gib)}, fault.Conflict},
		"bad name":   {vm.Change{Name: new("NO")}, fault.Invalid},
		"bad label":  {vm.Change{Labels: map[string]string{" ": "x"}}, fault.Invalid},
	}
	for name, tt := range refusals {
		t.Run(name, func(t *testing.T) {
			_, err := h.svc.Set(t.Context(), "api", tt.change)
			wantFault(t, err, tt.code)
			if diff := cmp.Diff(v, h.get("api")); diff != "" || h.disks.size(v.ID) != 9*gib {
				t.Errorf("the VM was changed, disk %d (-want +got):\n%s", h.disks.size(v.ID), diff)
			}
		})
	}
}
