package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/bangervm/banger/internal/api"
)

// crowd is a daemon with more than fits on a screen, in words that are long or wide.
func crowd() eventsMsg {
	all := eventsMsg{{Kind: api.EventReset, Reason: "start"}}
	for i := range 30 {
		id, name := fmt.Sprintf("v%02d", i), fmt.Sprintf("build-of-the-long-named-branch-%02d", i)
		v := machine(id, name, []string{api.VMRunning, api.VMStopped, api.VMPaused, api.VMFailed, api.VMStarting}[i%5])
		v.Image = "ghcr.io/example/a-rather-long-image-name:2026.11"
		all = append(all, event(api.EventVM, api.ActionPresent, id, name, v), event(api.EventSession, api.ActionPresent, "s"+id, name, api.Session{
			ID: "s" + id, Name: "agent-" + id, VM: name, State: api.SessionRunning, Mode: api.SessionTTY, Command: []string{"claude", "修复 界面 und alles andere auch"}, CreatedAt: noon,
			Attention: &api.Attention{State: api.AttentionNeedsInput, Why: api.WhyApproval, Text: strings.Repeat("界", 90), Since: noon},
		}), event(api.EventOperation, api.ActionPresent, "o"+id, name, api.Operation{
			ID: "o" + id, Kind: "image.pull", Subject: v.Image, State: api.OperationRunning, CreatedAt: noon,
			Stages: []api.Stage{{Name: "layers", State: api.StageRunning, Done: 1 << 40, Total: 4 << 40, Unit: api.UnitBytes}},
		}), event(api.EventEgress, api.ActionChanged, id, name, api.EgressDecision{EgressRecord: api.EgressRecord{Event: "deny", Name: strings.Repeat("long.", 30) + "example", Protocol: "tcp", Port: 443}}))
	}
	return append(all, api.Event{Kind: api.EventLive})
}

func crowded(t *testing.T, keys string, width, height int) *screenTest {
	t.Helper()
	s := newScreen(t, width, height, true)
	s.api.ports = []int{8080, 3000, 5432, 9090, 8080, 22}
	s.api.images = []api.Image{{ID: strings.Repeat("0a", 32), Name: "a-rather-long-image-name-of-somebody", Ref: "ghcr.io/example/a-rather-long-image-name:2026.11", Digest: "sha256:" + strings.Repeat("0a", 32), OS: "linux", Architecture: "amd64", DiskUsage: 3 << 30, VMs: 60, Kernel: "debian-12", CreatedAt: noon}}
	s.api.kernels = []api.Kernel{{Name: "debian-12", Version: "6.1.0-31-cloud-amd64", SizeBytes: 90 << 20, VMs: 60, Architecture: "x86_64", Source: "https://deb.debian.org/debian/pool/main/l/linux/linux-image.deb", ImportedAt: noon, Modules: 900}}
	s.api.logs = strings.Repeat("a line of the log that is longer than a narrow screen is wide\n", 40)
	s.send(crowd())
	s.press(keys)
	return s
}

// TestCrowdedScreens: more than fits, in wide characters, stays on the screen.
func TestCrowdedScreens(t *testing.T) {
	for name, keys := range everywhere {
		s := crowded(t, keys, 80, 24)
		for _, size := range [][2]int{{80, 24}, {100, 30}, {200, 50}, {60, 15}, {40, 10}, {41, 11}, {53, 12}} {
			s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			lines := strings.Split(ansi.Strip(s.screen()), "\n")
			if len(lines) != size[1] {
				t.Errorf("%s has %d lines at %v", name, len(lines), size)
			}
			for _, text := range lines {
				if lipgloss.Width(text) > size[0] {
					t.Errorf("%s has %d cells at %v: %q", name, lipgloss.Width(text), size, text)
				}
			}
			s.press("G")
		}
	}
}

// TestPortsSayHowManyAreLeftOut where there is no room for all, and are there at 80 columns.
func TestPortsSayHowManyAreLeftOut(t *testing.T) {
	for width, want := range map[int]string{80: "8080 +4", 100: "8080 +4", 200: "8080, 3000, 5432, 9090, 22"} {
		rows := strings.Split(ansi.Strip(crowded(t, "", width, 24).screen()), "\n")
		head, first := rows[2], rows[3]
		at := strings.Index(head, "PORTS")
		if at < 0 || !strings.HasPrefix(string([]rune(first)[at:]), want) {
			t.Errorf("at %d columns want %q under PORTS:\n%s\n%s", width, want, head, first)
		}
	}
	for width, want := range map[int]string{3: "+3", 4: "1 +2", 6: "1 +2", 7: "1, 2, 3", 1: "…"} {
		if got := fit(listed([]string{"1", "2", "3"}).within(width), width, false); strings.TrimSpace(got) != want {
			t.Errorf("in %d cells: %q, want %q", width, got, want)
		}
	}
}
