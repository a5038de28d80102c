package monitor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// Whatever notes a guest sends, and however long they get as JSON, what the
// monitor then says of itself is not too long for bangerd.
func TestNotesFitAnAnswer(t *testing.T) {
	for _, worst := range []string{"<", "\x00", "\u2028", "é", "\xff"} {
		var notes []string
		for range 10 * agentrpc.MaxNotes {
			notes = append(notes, strings.Repeat(worst, 10*agentrpc.MaxNote))
		}
		m := agentrpc.GuestMessage{Ready: &agentrpc.Ready{Notes: notes}}
		trim(&m)
		if n := len(m.Ready.Notes); n != agentrpc.MaxNotes {
			t.Errorf("%q: %d notes", worst, n)
		}
		h := agentrpc.GuestMessage{EntrypointHealth: &agentrpc.EntrypointHealth{State: agentrpc.HealthHealthy, Output: strings.Repeat(worst, 10*agentrpc.MaxHealthOutput)}}
		trim(&h)
		if n := len(h.EntrypointHealth.Output); n > agentrpc.MaxHealthOutput {
			t.Errorf("%q: %d bytes of a health check's output", worst, n)
		}
		line, err := json.Marshal(monitorrpc.Status{EntrypointHealth: entrypointHealth(*h.EntrypointHealth), Notes: m.Ready.Notes, Warning: strings.Repeat("<", maxText), Init: strings.Repeat("<", maxWord)})
		if err != nil || len(line) > monitorrpc.MaxAnswer {
			t.Errorf("%q: %d bytes of at most %d, %v", worst, len(line), monitorrpc.MaxAnswer, err)
		}
	}
}

// What the agent sends itself is taken.
func TestNotesOfTheAgentFitALine(t *testing.T) {
	var notes []string
	for range agentrpc.MaxNotes {
		notes = append(notes, strings.Repeat("<", agentrpc.MaxNote))
	}
	line, err := json.Marshal(agentrpc.GuestMessage{Ready: &agentrpc.Ready{Notes: notes}})
	if err != nil || len(line) > agentrpc.MaxLine {
		t.Errorf("%d bytes of at most %d, %v", len(line), agentrpc.MaxLine, err)
	}
}
