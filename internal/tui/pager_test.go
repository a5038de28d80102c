package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/bangervm/banger/internal/api"
)

func timeOf(minutes int) time.Duration { return time.Duration(minutes) * time.Minute }

// TestSearch goes to matches, round at the ends, and back to where it began.
func TestSearch(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	for i := range 100 {
		s.api.logs += fmt.Sprintf("line %d%s\n", i, map[bool]string{true: " Boot"}[i%40 == 10])
	}
	s.send(fleet())
	s.press("l")
	top := func() string {
		return strings.TrimSpace(strings.Split(ansi.Strip(s.screen()), "\n")[3])
	}
	for _, step := range []struct{ keys, top, title string }{
		{"g/boo", "line 10 Boot", "match 1 of 3 of boo"},
		{"t<enter>", "line 10 Boot", "match 1 of 3 of boot"},
		{"n", "line 50 Boot", "match 2 of 3"},
		{"nn", "line 10 Boot", "match 1 of 3"},
		{"NN", "line 50 Boot", "match 2 of 3"},
		{"<esc>", "line 50 Boot", "Console of api"},
		{"/nothing<enter>", "line 50 Boot", "match 0 of 0"},
		{"<esc>/boot<esc>", "line 50 Boot", "Console of api ─"},
	} {
		s.press(step.keys)
		if text := ansi.Strip(s.screen()); top() != step.top || !strings.Contains(text, step.title) {
			t.Errorf("after %s the top is %q, want %q under %q:\n%s", step.keys, top(), step.top, step.title, text)
		}
	}
	if _, open := s.top().(*pager); !open {
		t.Errorf("%T is open", s.top())
	}
}

// TestMatchesAreMarked in the row, and the last rows can be gone to with a follow of the end.
func TestMatchesAreMarked(t *testing.T) {
	th := newTheme(false, false)
	if got := th.marked("a Boot b", "boot", toneNone); got != "a "+th.selected.Render("Boot")+" b" {
		t.Errorf("marked: %q", got)
	}
	if got := th.marked("İ boot", "boot", toneNone); ansi.Strip(got) != "İ boot" {
		t.Errorf("with a letter that grows: %q", got)
	}
}

// TestADiffIsBounded: it keeps its beginning, is read no further, and says so.
func TestADiffIsBounded(t *testing.T) {
	for name, line := range map[string]string{"many lines": "+x\n", "long lines": "+" + strings.Repeat("y", 4000) + "\n"} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			p := &pager{head: true, tones: new(diffTones).of}
			s.open(p)
			src := &endless{line: line}
			s.send(sourceMsg{of: p, src: src})
			if !src.closed || len(p.all) > maxLines || p.bytes > maxBytes+len(line) || p.dropped > 0 {
				t.Errorf("closed %v, %d lines, %d bytes, %d dropped", src.closed, len(p.all), p.bytes, p.dropped)
			}
			if s.press("G"); !strings.Contains(s.screen(), "there is more, which is not shown") {
				t.Errorf("the end:\n%s", s.screen())
			}
		})
	}
}

// endless is a source without an end.
type endless struct {
	line   string
	closed bool
}

func (e *endless) next() ([]textLine, error) {
	return []textLine{{text: strings.TrimSpace(e.line)}, {text: strings.TrimSpace(e.line)}}, nil
}

func (e *endless) close() { e.closed = true }

// TestEventsAreALog that goes on, and is filtered.
func TestEventsAreALog(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "b", "web", machine("b", "web", api.VMStopped))})
	s.press("7<enter>")
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "a", "api", machine("a", "api", api.VMPaused))})
	if text := s.screen(); !strings.Contains(text, "vm  changed  web  stopped") || !strings.Contains(text, "vm  changed  api  paused") {
		t.Errorf("the log:\n%s", text)
	}
	s.press("&paused<enter>")
	if text := s.screen(); strings.Contains(text, "web") || !strings.Contains(text, "1 of 2 lines match paused") {
		t.Errorf("filtered:\n%s", text)
	}
	s.press("<esc>q")
	s.send(eventsMsg{event(api.EventVM, api.ActionChanged, "a", "api", machine("a", "api", api.VMRunning))})
	if s.top() != nil || s.world.noted != nil {
		t.Error("it is still told of events")
	}
}
