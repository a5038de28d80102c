package tui

import (
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
)

// TestNothingStandsBeyondTheScreen: what a guest puts behind blanks is seen when its work is
// reviewed.
func TestNothingStandsBeyondTheScreen(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.api.logs = "+ok := true" + strings.Repeat(" ", 200) + "; exec(evil)\n+wide " + strings.Repeat("界", 60) + "end\n"
	s.send(fleet())
	s.press("l")
	text := s.screen()
	if !strings.Contains(text, "; exec(evil)") || !strings.Contains(text, "end") {
		t.Errorf("the log:\n%s", text)
	}
	for row := range strings.SplitSeq(text, "\n") {
		if lipgloss.Width(row) > 80 {
			t.Errorf("a row of %d cells: %q", lipgloss.Width(row), row)
		}
	}
	if s.press("&evil<enter>"); !strings.Contains(s.screen(), "1 of 2 lines match") {
		t.Errorf("filtered:\n%s", s.screen())
	}
}

// TestAPageIsTheSameHoweverItCame: in pieces, with lines that are gone.
func TestAPageIsTheSameHoweverItCame(t *testing.T) {
	var lines []pageLine
	for _, text := range []string{"one", strings.Repeat("two ", 30), "three", "one more", strings.Repeat("x", 25)} {
		lines = append(lines, pageLine{text: text})
	}
	for _, filter := range []string{"", "one", "!one"} {
		var grown page
		for n := range lines {
			grown.rows(lines[:n+1], 0, filter, 10)
		}
		grown.drop(2)
		got := grown.rows(lines[2:], 2, filter, 10)
		var whole page
		want := whole.rows(lines[2:], 2, filter, 10)
		if len(got) != len(want) || grown.matches != whole.matches {
			t.Fatalf("filter %q: %d rows of %d lines, want %d of %d", filter, len(got), grown.matches, len(want), whole.matches)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("filter %q: row %d is %+v, want %+v", filter, i, got[i], want[i])
			}
		}
	}
}
