package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestPull(t *testing.T) {
	for name, tc := range map[string]struct {
		keys  string
		ended error
		asked []string
		last  string
		says  string
	}{
		"an image":          {"3xdebian:13<enter>", nil, []string{"pull debian:13"}, "banger image pull debian:13", "pulled debian:13"},
		"an image, by name": {":image pull --name=d debian:13 --replace<enter>", nil, []string{"pull debian:13 as d replace"}, "banger image pull --name=d debian:13 --replace", "pulled d"},
		"from a registry":   {":image pull localhost:5000/tar:1 --name d<enter>", nil, []string{"pull localhost:5000/tar:1 as d"}, "banger image pull localhost:5000/tar:1 --name d", "pulled d"},
		"a kernel":          {"4xdebian-12<enter>", nil, []string{"pull kernel debian-12"}, "banger kernel pull debian-12", "pulled debian-12"},
		"that fails":        {"3xno/such<enter>", errRefused, []string{"pull no/such"}, "banger image pull no/such", "refused"},
		"that is canceled":  {"3xdebian<enter>", fault.New(fault.Canceled, "canceled"), []string{"pull debian"}, "banger image pull debian", "canceled: debian is not pulled"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			s.api.ended = tc.ended
			s.send(fleet())
			s.press(tc.keys)
			if len(s.terminal.given) > 0 {
				t.Errorf("the terminal was given to %q", s.terminal.given)
			}
			if !slices.Equal(s.api.asked, tc.asked) || s.last != tc.last || s.says != tc.says {
				t.Errorf("asked %q, last %q, says %q; want %+v", s.api.asked, s.last, s.says, tc)
			}
		})
	}
}

// TestAPullIsInItsTab holds from its beginning to its end: how far it is, and that it can be
// canceled there.
func TestAPullIsInItsTab(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.press("3")
	if text := s.screen(); !strings.Contains(text, "debian") || !strings.Contains(text, "pulling, layers 25 %") || !strings.Contains(text, "1 MiB of 4 MiB") {
		t.Errorf("while it pulls:\n%s", text)
	}
	s.press("<ctrl+d>")
	if s.top() != nil {
		t.Errorf("what is not there can be deleted: %T", s.top())
	}
	s.press("c")
	if want := []string{"cancel o1"}; !slices.Equal(s.api.asked, want) {
		t.Errorf("asked %q, want %q", s.api.asked, want)
	}
	s.send(eventsMsg{event(api.EventOperation, api.ActionChanged, "o1", "debian", api.Operation{ID: "o1", Kind: "image.pull", Subject: "debian", State: api.OperationCanceled, EndedAt: &noon})})
	if text := s.screen(); !strings.Contains(text, "There are no images") {
		t.Errorf("after its end:\n%s", text)
	}
}

// TestAPullThatWasBegunIsChosen holds before its event comes, too: what follows is for it.
func TestAPullThatWasBegunIsChosen(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.press(":image pull zzz<enter>3")
	_ = s.screen()
	s.press("c")
	if want := []string{"pull zzz", "cancel op"}; !slices.Equal(s.api.asked, want) {
		t.Errorf("asked %q, want %q", s.api.asked, want)
	}
}
