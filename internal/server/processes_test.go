package server_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestProcesses(t *testing.T) {
	f := start(t)
	got, err := f.client.VMProcesses(t.Context(), "web")
	want := api.Processes{Total: 300, Items: []api.Process{{PID: 7, Parent: 1, UID: 1000, State: "S", Process: "node", Command: "node server.js", CPUSeconds: 1.5, MemoryBytes: 4096}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	f.network.mute = true
	if _, err := f.client.VMProcesses(t.Context(), "web"); !errors.Is(err, fault.Conflict) || len(fault.HintOf(err)) == 0 {
		t.Errorf("an older agent gave %v", err)
	}
	if _, err := f.client.VMProcesses(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("no VM gave %v", err)
	}
}
