package vmfields_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmfields"
)

// Each field of a request is judged, and against this host.
func TestFieldsOfRequests(t *testing.T) {
	host := api.HostStats{CPUs: 2, MemoryBytes: 4 << 30, DiskBytes: 50 << 30}
	ports := []api.Publish{{Proto: "sctp", HostPort: 1, GuestPort: 1}}
	create := api.CreateVM{
		Name: new("-"), VCPU: new(3), MemoryBytes: new(int64(5 << 30)), DiskBytes: new(int64(60 << 30)), Env: []string{""}, Labels: map[string]string{"": ""},
		Publish: ports, Egress: new("x"),
		Session: &api.StartSession{Name: "a b"},
	}
	all := []string{"disk_bytes", "egress", "env", "labels", "memory_bytes", "name", "publish", "session", "vcpu"}
	if got := slices.Sorted(maps.Keys(vmfields.OfCreate(create, host))); !slices.Equal(got, all) {
		t.Errorf("create: %v", got)
	}
	update := api.UpdateVM{Name: create.Name, VCPU: create.VCPU, MemoryBytes: create.MemoryBytes, DiskBytes: create.DiskBytes, Env: create.Env, Labels: create.Labels, Publish: &ports}
	if got := slices.Sorted(maps.Keys(vmfields.OfUpdate(update, host))); !slices.Equal(got, []string{"disk_bytes", "env", "labels", "memory_bytes", "name", "publish", "vcpu"}) {
		t.Errorf("update: %v", got)
	}
	if got := vmfields.OfUpdate(api.UpdateVM{}, host); len(got) > 0 {
		t.Errorf("nothing is asked for, and %v is wrong", got)
	}
}
