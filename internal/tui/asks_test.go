package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

func TestAPortThatWentIsNotShown(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	if !strings.Contains(s.screen(), "8080") || !slices.Equal(s.api.portsOf, []string{"a"}) {
		t.Fatalf("asked %q:\n%s", s.api.portsOf, s.screen())
	}
	s.api.noPorts = true
	s.send(eventsMsg{event(api.EventPorts, api.ActionChanged, "a", "api", nil)})
	if strings.Contains(s.screen(), "8080") {
		t.Errorf("the port is still there:\n%s", s.screen())
	}
	s.api.noPorts = false
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "a", "api", machine("a", "api", api.VMStopped))})
	if strings.Contains(s.screen(), "8080") || len(s.api.portsOf) != 2 {
		t.Errorf("asked %q of a stopped VM:\n%s", s.api.portsOf, s.screen())
	}
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "a", "api", machine("a", "api", api.VMRunning))})
	if !strings.Contains(s.screen(), "8080") {
		t.Errorf("started again, without its port:\n%s", s.screen())
	}
}

// TestAGuestIsNotAskedAllTheTime: events that come before an answer ask once more.
func TestAGuestIsNotAskedAllTheTime(t *testing.T) {
	var q askQueue
	for i := range 100 {
		q.want(fmt.Sprint(i % 10))
	}
	var asked []string
	for id, ok := q.next(); ok; id, ok = q.next() {
		asked = append(asked, id)
	}
	if !slices.Equal(asked, []string{"0", "1", "2", "3"}) || len(q.waiting) != 6 {
		t.Errorf("asks %q at a time, %q wait", asked, q.waiting)
	}
	for range 100 {
		q.want("0")
	}
	if q.answered("1"); len(q.waiting) != 7 {
		t.Errorf("%q wait", q.waiting)
	}
	if id, ok := q.next(); !ok || id != "4" {
		t.Errorf("%q is next", id)
	}
	if id, ok := q.next(); ok {
		t.Errorf("%q is a fifth", id)
	}
}

// TestSessionsThatHadEndedAreShown: the events do not tell of them. What they told is newer.
func TestSessionsThatHadEndedAreShown(t *testing.T) {
	s := newScreen(t, 120, 40, false)
	s.api.sessions = []api.Session{
		{ID: "s0", Name: "before", VM: "api", State: api.SessionLost, Command: []string{"make"}, CreatedAt: noon},
		{ID: "s1", Name: "older", VM: "api", State: api.SessionExited, CreatedAt: noon},
	}
	s.send(fleet())
	if text := s.screen(); strings.Contains(text, "before") {
		t.Errorf("asked for where nobody looks:\n%s", text)
	}
	s.press("2")
	if text := s.screen(); !strings.Contains(text, "before") || strings.Contains(text, "older") || !strings.Contains(text, "agent") {
		t.Errorf("the sessions:\n%s", text)
	}
}

// TestNothingIsAskedWithoutADaemon: a question would start one that was stopped.
func TestNothingIsAskedWithoutADaemon(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.api.asked = nil
	s.send(lostMsg{err: errRefused}, lookedMsg{}, backMsg{})
	if len(s.api.asked) > 0 {
		t.Errorf("asked %q", s.api.asked)
	}
}
