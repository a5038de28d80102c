package tui

import (
	"strings"
	"testing"
)

// TestTheCommandLineCompletes commands, and the names of what they are for.
func TestTheCommandLineCompletes(t *testing.T) {
	for keys, want := range map[string]string{
		":vm sh<tab>": "vm show", ":vm show w<tab>": "vm show web", ":ker<tab>": "kernels", ":sta<tab>": "start", ":vm show 'x<tab>": "vm show 'x",
	} {
		s := newScreen(t, 80, 24, false)
		s.send(fleet())
		s.press(keys)
		if got := s.top().(*command).input.Value(); got != want {
			t.Errorf("%s: %q, want %q", keys, got, want)
		}
	}
}

// TestTheCommandLineTakesActions of the tab, and says which words are none.
func TestTheCommandLineTakesActions(t *testing.T) {
	for keys, want := range map[string]struct{ asked, says string }{
		"G:start<enter>":        {"start b", "starting web"},
		":start<enter>":         {"", "cannot start api: it is running"},
		":vm staart web<enter>": {"", "no tab, action or command vm staart; did you mean vm start?"},
		":xyzzy<enter>":         {"", "no tab, action or command xyzzy"},
	} {
		s := newScreen(t, 80, 24, false)
		s.send(fleet())
		s.press(keys)
		if got := strings.Join(s.api.asked, "; "); got != want.asked || s.says != want.says || len(s.terminal.given) > 0 {
			t.Errorf("%s: asked %q, says %q, given %q; want %+v", keys, got, s.says, s.terminal.given, want)
		}
	}
}
