package cli

import (
	"reflect"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// TestShowHasEveryPropertyOfAVM fails for a field of api.VM that vm show leaves out.
func TestShowHasEveryPropertyOfAVM(t *testing.T) {
	empty := renderFields(api.VM{}, vmFields(time.Time{}), false)
	full := reflect.ValueOf(api.VM{
		ID: "id", Name: "web", State: api.VMRunning, Image: "debian", ImageID: "0123456789ab", ImageUnnamed: true, Kernel: "k", VCPU: 1, MemoryBytes: 1, DiskBytes: 1,
		Driver: "d", Init: "auto", User: "node", Entrypoint: "always", Env: []string{"A=1"}, Labels: map[string]string{"a": "b"}, Nested: true, Console: true, NoHealthcheck: true, Health: &api.VMEntrypointHealth{State: "healthy"}, Protected: true, Address: "127.0.0.1",
		Network: "user", GuestIP: "198.18.1.0", Egress: "all", Publish: []api.Publish{{HostPort: 1, GuestPort: 1}}, Ports: "none",
		ExitReason: "r", ExitMessage: "m", ExitHint: "h", ExitHintParts: fault.Hintf("see %s", act.Doctor.Do()), CreatedAt: noon, StartedAt: new(noon), StoppedAt: new(noon.Add(time.Hour)),
		Workspace: &api.Workspace{Path: "/src"}, Runtime: &api.VMRuntime{Phase: "ready"}, Attention: &api.Attention{State: api.AttentionIdle},
		BootTimeline: &api.BootTimeline{How: "cold"}, Snapshots: &api.VMSnapshots{Count: 1},
	})
	for field, value := range full.Fields() {
		if value.IsZero() {
			t.Errorf("this test sets no %s", field.Name)
			continue
		}
		one := api.VM{}
		reflect.ValueOf(&one).Elem().FieldByIndex(field.Index).Set(value)
		if renderFields(one, vmFields(time.Time{}), false) == empty {
			t.Errorf("vm show has no %s", field.Name)
		}
	}
}
