package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/bangervm/banger/internal/api"
)

func lastRow(s *screenTest) string {
	rows := strings.Split(ansi.Strip(s.screen()), "\n")
	return rows[len(rows)-1]
}

// TestTheBottomLineHasWhatIsPossible for the chosen row, and no more.
func TestTheBottomLineHasWhatIsPossible(t *testing.T) {
	for keys, want := range map[string]struct{ has, not []string }{
		"":   {[]string{"Enter attach", "s shell", "d diff", "o stop", "p pause"}, []string{"u start"}},
		"G":  {[]string{"l logs", "u start", "ctrl-d delete"}, []string{"attach", "shell", "diff", "stop", "pause"}},
		"2":  {[]string{"Enter attach", "o stop"}, []string{"delete"}},
		"2G": {[]string{"ctrl-d delete"}, []string{"stop"}},
		"3":  {[]string{"c cancel a pull", "x pull…"}, []string{"delete", "new VM"}},
		"4":  {[]string{"x pull…"}, []string{"delete", "cancel"}},
		"5":  {[]string{"c cancel"}, nil},
		"6":  {[]string{"Enter log"}, nil},
	} {
		s := newScreen(t, 200, 24, false)
		s.send(fleet())
		s.press(keys)
		row := lastRow(s)
		for _, hint := range want.has {
			if !strings.Contains(row, hint) {
				t.Errorf("%q: %q is not in %q", keys, hint, row)
			}
		}
		for _, hint := range want.not {
			if strings.Contains(row, hint) {
				t.Errorf("%q: %q is in %q", keys, hint, row)
			}
		}
	}
}

// TestAKeySaysWhyNot where what it does is not possible now, or nothing in the tab.
func TestAKeySaysWhyNot(t *testing.T) {
	for keys, want := range map[string]string{
		"Gs": "web is stopped. u starts it.", "Gd": "web has no workspace. banger vm workspace prepare web copies one to it.", "G<enter>": "web is stopped. u starts it.",
		"u": "cannot start api: it is running", "Gp": "cannot resume web: it is stopped", "2Go": "test has ended.", "2<ctrl+d>": "agent is running. o stops it.",
		"7u": "u does nothing in the tab Events", "4e": "e does nothing in the tab Kernels", "6o": "o does nothing in the tab Egress",
	} {
		s := newScreen(t, 120, 24, false)
		s.send(fleet())
		s.press(keys)
		if s.says != want || len(s.terminal.given) > 0 || s.top() != nil {
			t.Errorf("%s says %q, want %q; %T is open", keys, s.says, want, s.top())
		}
	}
}

// TestTheHelpIsOfTheTab: its own keys come first, those of others are not there, and what is not
// possible says why.
func TestTheHelpIsOfTheTab(t *testing.T) {
	for keys, want := range map[string]struct{ has, not string }{
		"G?": {"open a shell in the VM: not now, as web is stopped", "cancel an operation"},
		"5?": {"cancel an operation", "open a shell"},
		"7?": {"show the events as a log", "delete"},
		"l?": {"show only the lines that match", "open a shell"},
	} {
		s := newScreen(t, 120, 50, false)
		s.send(fleet())
		s.press(keys)
		if text := s.screen(); !strings.Contains(text, want.has) || strings.Contains(text, want.not) {
			t.Errorf("%s: want %q and not %q:\n%s", keys, want.has, want.not, text)
		}
	}
}

// TestEnterTakesTheSessionThatNeedsTheUser, or else the oldest with a terminal.
func TestEnterTakesTheSessionThatNeedsTheUser(t *testing.T) {
	more := func(id, mode string, minutes int, a *api.Attention) api.Event {
		return event(api.EventSession, api.ActionPresent, id, "api", api.Session{ID: id, Name: id, VM: "api", State: api.SessionRunning, Mode: mode, Attention: a, CreatedAt: noon.Add(-timeOf(minutes))})
	}
	for name, tc := range map[string]struct {
		sessions eventsMsg
		want     string
	}{
		"one that needs somebody":           {eventsMsg{more("old", api.SessionTTY, 90, nil)}, "attach a s1"},
		"the one that waits longest":        {eventsMsg{more("long", api.SessionTTY, 1, &api.Attention{State: api.AttentionNeedsInput, Text: "go on?", Since: noon.Add(-timeOf(9))})}, "attach a long"},
		"the oldest terminal, without such": {eventsMsg{more("s1", api.SessionTTY, 5, nil), more("old", api.SessionTTY, 90, nil), more("older", api.SessionPipe, 99, nil)}, "attach a old"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			s.send(fleet(), tc.sessions)
			s.press("/api<enter><enter>")
			if got := strings.Join(s.terminal.given, ", "); got != tc.want {
				t.Errorf("given %q, want %q", got, tc.want)
			}
		})
	}
}

// TestActsGoByID: a VM that another name was given meanwhile is not confused with a new one.
func TestActsGoByID(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.press("<ctrl+d>")
	renamed := machine("a", "was-api", api.VMRunning)
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "a", "was-api", renamed), event(api.EventVM, api.ActionPresent, "n", "api", machine("n", "api", api.VMRunning))})
	s.press("api<enter>")
	if got := strings.Join(s.api.asked, "; "); got != "delete a force discard" {
		t.Errorf("asked %q", got)
	}
}

// TestSomeOfSeveralFail: it is said of which, and the command line is of all.
func TestSomeOfSeveralFail(t *testing.T) {
	s := newScreen(t, 120, 24, false)
	s.send(fleet())
	s.api.refuse = errRefused
	s.press("j<space><space>u")
	if want := "2 of 2 failed: old: refused; web: refused"; s.says != want {
		t.Errorf("says %q, want %q", s.says, want)
	}
	if want := "banger vm start old && banger vm start web"; s.last != want {
		t.Errorf("the command line is %q, want %q", s.last, want)
	}
}

// TestTheCommandLineIsSentToTheClipboard as it would be typed.
func TestTheCommandLineIsSentToTheClipboard(t *testing.T) {
	s := newScreen(t, 120, 24, false)
	s.send(fleet())
	s.press("Gu")
	_, cmd := s.Update(tea.KeyPressMsg{Code: 'y', Text: "y"})
	var sent []string
	var collect func(cmd tea.Cmd)
	collect = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		switch msg := cmd().(type) {
		case tea.BatchMsg:
			for _, one := range msg {
				collect(one)
			}
		default:
			sent = append(sent, fmt.Sprint(msg))
		}
	}
	if collect(cmd); len(sent) != 1 || sent[0] != "banger vm start web" || !strings.HasPrefix(s.says, "banger vm start web   (sent") {
		t.Errorf("sent %q, says %q", sent, s.says)
	}
}
