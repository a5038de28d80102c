package cli

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
)

func TestParseKeys(t *testing.T) {
	for text, want := range map[string]string{
		"ctrl-]": "\x1d", "ctrl-p,ctrl-q": "\x10\x11", "CTRL-A": "\x01", "~,.": "~.", "ctrl-p, ctrl-q": "\x10\x11",
	} {
		if got, err := parseKeys(text); err != nil || string(got) != want {
			t.Errorf("parseKeys(%q) = %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ctrl-", "ctrl-1", "alt-x", "ctrl-p,,x", "é"} {
		if _, err := parseKeys(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("parseKeys(%q) = %v", text, err)
		}
	}
}

// However input is cut into pieces, all that is before the keys is passed on,
// and nothing of them.
func TestDetacher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := detacher{keys: []byte("ppq")}
		var passed []byte
		feed := func(piece string) bool {
			out, left := d.feed([]byte(piece))
			passed = append(passed, out...)
			return left
		}
		typed := rapid.StringMatching(`[px]*`).Draw(t, "typed")
		for i := 0; i < len(typed); {
			n := rapid.IntRange(1, len(typed)-i).Draw(t, "n")
			if feed(typed[i : i+n]) {
				t.Fatal("left too early")
			}
			i += n
		}
		for _, key := range []string{"x", "p", "p"} {
			if feed(key) {
				t.Fatal("left too early")
			}
		}
		if !feed("q") || string(passed) != typed+"x" {
			t.Fatalf("passed %q of %q", passed, typed)
		}
	})
}
