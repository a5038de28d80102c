package vm

import (
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

func TestAGuestThatWasReadyForAnInstantWasReady(t *testing.T) {
	s := New(Deps{})
	defer s.Close()
	w := &watch{ended: make(chan struct{}), changed: make(chan struct{})}
	for _, phase := range []Phase{PhaseBooting, PhaseReady, PhaseStopping, PhaseExited} {
		w.publish(Status{StartID: "a", Phase: phase})
	}
	w.exit = Exit{Reason: ReasonPoweroff}
	close(w.ended)
	if err := s.await(t.Context(), VM{Name: "web"}, w, 0, WaitReady(), operation.Discard{}); err != nil {
		t.Errorf("await = %v", err)
	}
	// Whoever came later waits for it to be ready again, in vain.
	err := s.await(t.Context(), VM{Name: "web"}, w, 1, WaitReady(), operation.Discard{})
	if fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("second await = %v", err)
	}
}
