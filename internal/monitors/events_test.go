package monitors

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

func TestEvents(t *testing.T) {
	l, dir := newLauncher(t, "")
	status := monitorrpc.Status{Protocol: monitorrpc.Version, StartID: "s", Phase: monitorrpc.PhaseBooting}
	at := time.Now().UTC().Truncate(time.Second)
	fakeMonitor(t, dir, func(w http.ResponseWriter, r *http.Request) {
		enc := json.NewEncoder(w)
		_ = enc.Encode(status)
		if r.URL.Path != monitorrpc.PathEvents {
			return
		}
		last := status
		last.ExitProblem = &fault.Problem{Code: string(fault.Unavailable), Message: "why", Hint: "what to do"}
		last.Phase, last.Boots, last.ExitReason, last.ExitedAt = monitorrpc.PhaseExited, 3, vm.ReasonPoweroff, at
		_ = enc.Encode(last)
	})
	m, err := l.Adopt(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	events, err := m.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []vm.Status
	for s := range events {
		got = append(got, s)
	}
	want := vm.Exit{
		Format: vm.ExitFormat, StartID: "s", Reason: vm.ReasonPoweroff, Boots: 3, At: at,
		Problem: &fault.Problem{Code: string(fault.Unavailable), Message: "why", Hint: "what to do"},
	}
	if len(got) != 2 || got[0].Phase != vm.PhaseBooting || !reflect.DeepEqual(got[1].Exit, want) {
		t.Errorf("events are %+v", got)
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	l, dir := newLauncher(t, "")
	fakeMonitor(t, dir, func(w http.ResponseWriter, r *http.Request) {
		for {
			if json.NewEncoder(w).Encode(monitorrpc.Status{Protocol: monitorrpc.Version}) != nil || r.URL.Path != monitorrpc.PathEvents {
				return
			}
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			if r.Context().Err() != nil {
				return
			}
		}
	})
	m, err := l.Adopt(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	events, err := m.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-events
	cancel()
	for range events {
	}
}
