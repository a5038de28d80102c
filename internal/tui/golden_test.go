package tui

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
)

var update = flag.Bool("update", false, "write the golden screens")

// TestScreens holds whole screens against those in testdata, which were looked at.
func TestScreens(t *testing.T) {
	for name, keys := range map[string]string{
		"vms": "", "sessions": "2", "images": "3", "operations": "5", "events": "7", "menu": "Gx", "delete": "<ctrl+d>", "wizard": "n", "help": "?", "filter": "/we", "log": "l",
	} {
		for size, dims := range map[string][2]int{"80x24": {80, 24}, "120x40": {120, 40}} {
			for look, colour := range map[string]bool{"colour": true, "plain": false} {
				t.Run(name+"-"+size+"-"+look, func(t *testing.T) {
					s := newScreen(t, dims[0], dims[1], colour)
					s.api.logs = "Linux version 6.1\n\x1b[31mred\x1b[0m\n"
					s.send(fleet(), eventsMsg{event(api.EventVM, api.ActionChanged, "b", "web", machine("b", "web", api.VMStopped))})
					s.press(keys)
					got := s.screen()
					for i, text := range strings.Split(got, "\n") {
						if lipgloss.Width(text) > dims[0] {
							t.Errorf("line %d is %d cells wide: %q", i+1, lipgloss.Width(text), text)
						}
					}
					if lines := strings.Count(got, "\n") + 1; lines != dims[1] {
						t.Errorf("%d lines", lines)
					}
					golden(t, got)
				})
			}
		}
	}
}

func golden(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", filepath.Base(t.Name())+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got+"\n"); diff != "" {
		t.Errorf("the screen differs (-want +got; -update writes it):\n%s", diff)
	}
}
