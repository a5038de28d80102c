package vm_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/vm"
)

// All fields that are wrong are told at once.
func TestAllWrongFieldsAreTold(t *testing.T) {
	host := vm.HostFacts{CPUs: 4, MemoryBytes: 8 << 30, DiskBytes: 100 << 30}
	bad := vm.Fields{
		Name: new("A B"), VCPU: new(5), MemoryBytes: new(int64(1)), DiskBytes: new(int64(1 << 60)), Env: []string{"X"}, Labels: map[string]string{"-": "x"},
		Publish: []vm.Publish{{HostPort: 80}}, Egress: new("alow any"),
	}
	want := []string{"disk_bytes", "egress", "env", "labels", "memory_bytes", "name", "publish", "vcpu"}
	if got := slices.Sorted(maps.Keys(bad.Wrong(host))); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	good := vm.Fields{
		Name: new("a"), VCPU: new(4), MemoryBytes: new(int64(1 << 30)), DiskBytes: new(int64(8 << 30)), Env: []string{"X=1"}, Labels: map[string]string{"a": "x"},
		Publish: []vm.Publish{{HostPort: 80, GuestPort: 80}}, Egress: new("packages"),
	}
	if got := good.Wrong(host); len(got) > 0 {
		t.Errorf("got %v", got)
	}
	if got := (vm.Fields{}).Wrong(host); len(got) > 0 {
		t.Errorf("nothing is asked for, and %v is wrong", got)
	}
}
