package monitor

import (
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/vm"
)

// TestHealthIsOfTheProgramThatRuns fails for a health that outlives the program, or that
// is none of the three.
func TestHealthIsOfTheProgramThatRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := r.beReady()
		say := func(state agentrpc.HealthState) {
			r.say(a, agentrpc.GuestMessage{EntrypointHealth: &agentrpc.EntrypointHealth{State: state, Output: "a\x1b[31m\nb"}})
		}
		r.say(a, agentrpc.GuestMessage{Entrypoint: &agentrpc.Entrypoint{State: agentrpc.EntrypointRunning}})
		say(agentrpc.HealthUnhealthy)
		if h := r.now().EntrypointHealth; h == nil || h.State != "unhealthy" {
			t.Errorf("health %+v", h)
		}
		say("splendid")
		if h := r.now().EntrypointHealth; h != nil {
			t.Errorf("of an unknown state: %+v", h)
		}
		say(agentrpc.HealthHealthy)
		r.say(a, agentrpc.GuestMessage{Entrypoint: &agentrpc.Entrypoint{State: agentrpc.EntrypointRestarting}})
		if h := r.now().EntrypointHealth; h != nil {
			t.Errorf("of a program that does not run: %+v", h)
		}
		r.askStop(0)
		r.wantExit(vm.ReasonForced, false)
	})
}
