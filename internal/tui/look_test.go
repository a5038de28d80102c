package tui

import (
	"image/color"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// everywhere are the keys to each screen.
var everywhere = map[string]string{
	"vms": "", "sessions": "2", "images": "3", "kernels": "4", "operations": "5", "egress": "6", "events": "7", "menu": "Gx", "delete": "<ctrl+d>", "wizard": "n",
	"help": "?", "filter": "/we", "log": "l", "denied": "e", "allow": "eA", "refused": "u", "marked": "<space><space>",
	"command line": ":vm exec api -- echo one two three four five six seven eight nine ten eleven twelve thirteen<enter>y",
}

func at(t *testing.T, keys string, width, height int, colour bool) string {
	t.Helper()
	s := newScreen(t, width, height, colour)
	s.api.logs = "Linux version 6.1\n\x1b[31mred\x1b[0m\n"
	s.api.egress = `{"time":"2026-11-30T12:00:00Z","event":"deny","protocol":"tcp","said":"evil.example","address":"192.0.2.1","port":443,"rule":"deny any"}` + "\n"
	s.send(fleet())
	s.press(keys)
	return s.screen()
}

var style = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// TestNothingIsInColourAlone: without its colours a screen says the same, and it uses only
// what a terminal of 16 colours has: those, bold, dim and inverse.
func TestNothingIsInColourAlone(t *testing.T) {
	for name, keys := range everywhere {
		t.Run(name, func(t *testing.T) {
			coloured, without := at(t, keys, 80, 24, true), at(t, keys, 80, 24, false)
			if a, b := ansi.Strip(coloured), ansi.Strip(without); a != b {
				t.Errorf("in colour:\n%s\nwithout:\n%s", a, b)
			}
			for screen, most := range map[string][]string{
				coloured: {"", "0", "1", "2", "7", "31", "32", "35", "36", "39", "22", "27"},
				without:  {"", "0", "1", "2", "7", "22", "27"},
			} {
				for _, m := range style.FindAllStringSubmatch(screen, -1) {
					for code := range strings.SplitSeq(m[1], ";") {
						if !slices.Contains(most, code) {
							t.Errorf("uses the style %q", m[1])
						}
					}
				}
				if rest := style.ReplaceAllString(screen, ""); strings.Contains(rest, "\x1b") {
					t.Errorf("other escape sequences: %q", rest)
				}
			}
		})
	}
}

// TestTonesAreReadable measures them on black and on white, in xterm's colours.
func TestTonesAreReadable(t *testing.T) {
	xterm := map[color.Color][3]float64{
		lipgloss.Red: {205, 0, 0}, lipgloss.Green: {0, 205, 0}, lipgloss.Yellow: {205, 205, 0}, lipgloss.Blue: {0, 0, 238},
		lipgloss.Magenta: {205, 0, 205}, lipgloss.Cyan: {0, 205, 205},
	}
	bright := map[color.Color][3]float64{lipgloss.Magenta: {255, 0, 255}, lipgloss.Yellow: {255, 255, 0}}
	for as, style := range newTheme(true, false).styles {
		colour := style.GetForeground()
		rgb, ok := xterm[colour]
		if _, none := colour.(lipgloss.NoColor); none {
			continue
		}
		if !ok {
			t.Errorf("tone %d has a colour that is not one of the 16: %v", as, colour)
		}
		if style.GetBold() { // which xterm draws brighter
			rgb = bright[colour]
		}
		for ground, light := range map[string]float64{"black": 0, "white": 1} {
			l := luminance(rgb)
			if ratio := (math.Max(l, light) + 0.05) / (math.Min(l, light) + 0.05); ratio < 2 {
				t.Errorf("tone %d has a contrast of %.1f on %s", as, ratio, ground)
			}
		}
	}
}

// luminance is the relative one of WCAG 2.
func luminance(rgb [3]float64) float64 {
	sum := 0.0
	for i, share := range [3]float64{0.2126, 0.7152, 0.0722} {
		c := rgb[i] / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += share * c
	}
	return sum
}

// TestSmallScreens: whatever the size, each screen fits, and its keys stay in sight down
// to the smallest.
func TestSmallScreens(t *testing.T) {
	for name, keys := range everywhere {
		for _, size := range [][2]int{{80, 24}, {60, 15}, {40, 10}, {39, 9}, {12, 3}, {1, 1}} {
			got := ansi.Strip(at(t, keys, size[0], size[1], true))
			lines := strings.Split(got, "\n")
			if len(lines) > size[1] {
				t.Errorf("%s has %d lines at %v", name, len(lines), size)
			}
			for _, text := range lines {
				if lipgloss.Width(text) > size[0] {
					t.Errorf("%s has %d cells at %v: %q", name, lipgloss.Width(text), size, text)
				}
			}
			if last := lines[len(lines)-1]; size[0] >= minWidth && size[1] >= minHeight && strings.TrimSpace(last) == "" {
				t.Errorf("%s shows no keys at %v:\n%s", name, size, got)
			}
		}
	}
}

// TestTheWizardsFieldsAreInSight holds for the one that is typed into, on the smallest screen.
func TestTheWizardsFieldsAreInSight(t *testing.T) {
	keys := "n"
	for _, name := range []string{"Name", "Image", "vCPUs", "Memory", "Disk", "Network", "Egress", "Work tree"} {
		if got := ansi.Strip(at(t, keys, minWidth, minHeight, true)); !strings.Contains(got, "\n> "+name) {
			t.Errorf("the field %s is not in sight:\n%s", name, got)
		}
		keys += "<tab>"
	}
}

// TestWhatIsLostIsInSight: the smallest screen leaves the command line out first.
func TestWhatIsLostIsInSight(t *testing.T) {
	got := ansi.Strip(at(t, "<ctrl+d>", minWidth, minHeight, true))
	for _, want := range []string{"This loses 3 changed files", "Type api"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in sight:\n%s", want, got)
		}
	}
}
