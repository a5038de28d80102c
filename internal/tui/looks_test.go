package tui

import (
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// TestWorkspacesAreLookedAt: now and then, and after the user had the terminal.
func TestWorkspacesAreLookedAt(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	expect := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(s.api.asked, want) {
			t.Errorf("%s: asked %q, want %q", when, s.api.asked, want)
		}
		s.api.asked = nil
	}
	s.run(s.look())
	expect("the first time", "look a") // the others are not running, or have no workspace
	s.now = s.now.Add(lookEvery - time.Second)
	s.run(s.look())
	expect("too soon")
	s.now = s.now.Add(time.Second)
	first := s.look()
	if s.look() != nil {
		t.Error("a second look begins before the first has ended")
	}
	s.run(first)
	expect("later", "look a")
	s.send(backMsg{})
	expect("after the terminal is back", "look a")
	s.send(eventsMsg{event(api.EventVM, api.ActionDeleted, "a", "api", nil)})
	s.run(s.look())
	if expect("without the VM"); len(s.looks.asked) > 0 {
		t.Errorf("%d are kept", len(s.looks.asked))
	}
}
