package cli

import (
	"errors"
	"strings"
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

// Whatever protocol the keyboard speaks, and however what it sends is cut into
// reads, the keys are found, and all else is passed on as it is.
func TestDetacherReadsKeyboardProtocols(t *testing.T) {
	const right, pq = "\x1d", "\x10\x11"
	for name, tc := range map[string]struct {
		keys, typed string
		pass        string // what is passed on before the keys, or of all
		detached    bool
	}{
		"legacy":                       {right, "ab\x1d", "ab", true},
		"kitty":                        {right, "a\x1b[93;5u", "a", true},
		"kitty, with an event":         {right, "\x1b[93;5:1u", "", true},
		"kitty, repeated":              {right, "\x1b[93;5:2u", "", true},
		"kitty, released":              {right, "\x1b[93;5:3u", "\x1b[93;5:3u", false},
		"kitty, with caps and num":     {right, "\x1b[93;197u", "", true},
		"kitty, another layout":        {right, "\x1b[1098::93;5u", "", true},
		"kitty, shifted":               {"\x1e", "\x1b[54:94;6u", "", true},
		"kitty, with alt too":          {right, "\x1b[93;7u", "\x1b[93;7u", false},
		"kitty, without control":       {right, "\x1b[93u", "\x1b[93u", false},
		"kitty, a plain key":           {"~.", "\x1b[96:126;2u\x1b[46;1u", "", true},
		"kitty, control and shift":     {pq, "\x1b[112:80;6u\x1b[113:81;6u", "\x1b[112:80;6u\x1b[113:81;6u", false},
		"other keys":                   {right, "\x1b[27;5;93~", "", true},
		"other keys, shifted":          {"\x1e", "\x1b[27;6;94~", "", true},
		"other keys, as u":             {right, "\x1b[93;5u", "", true},
		"two keys":                     {pq, "x\x10\x11", "x", true},
		"two keys by kitty":            {pq, "\x1b[112;5u\x1b[113;5u", "", true},
		"two keys, mixed":              {pq, "\x10\x1b[113;5u", "", true},
		"two keys with all events":     {pq, "\x1b[112;5u\x1b[112;5:3u\x1b[57442;1:3u\x1b[57442;5u\x1b[113;5u", "", true},
		"one of two and something":     {pq, "\x1b[112;5ux", "\x1b[112;5ux", false},
		"once more the first":          {pq, "\x10\x10\x11", "\x10", true},
		"arrows":                       {right, "\x1b[A\x1bOB\x1b[1;5C", "\x1b[A\x1bOB\x1b[1;5C", false},
		"escape and the key":           {right, "\x1b\x1d", "\x1b", true},
		"a paste":                      {right, "\x1b[200~a\x1db\x1b[93;5uc\x1b[201~d", "\x1b[200~a\x1db\x1b[93;5uc\x1b[201~d", false},
		"after a paste":                {right, "\x1b[200~\x1d\x1b[201~\x1d", "\x1b[200~\x1d\x1b[201~", true},
		"a mouse":                      {right, "\x1b[<0;93;5M", "\x1b[<0;93;5M", false},
		"an answer":                    {right, "\x1b[?1u\x1b]11;rgb:0/0/0\x07", "\x1b[?1u\x1b]11;rgb:0/0/0\x07", false},
		"a sequence without an end":    {right, "\x1b[" + strings.Repeat("9", 500) + "\x1d", "\x1b[" + strings.Repeat("9", 500), true},
		"the key within a sequence":    {right, "\x1b[93\x1d", "\x1b[93", true},
		"control-space is control-at":  {"\x00", "\x1b[32;5u", "", true},
		"the escape key itself":        {"\x1b", "\x1b[27u", "", true},
		"huge numbers":                 {right, "\x1b[99999999999999999999;5u", "\x1b[99999999999999999999;5u", false},
		"what only looks like the key": {right, "[93;5u", "[93;5u", false},
	} {
		t.Run(name, func(t *testing.T) {
			for cut := range len(tc.typed) + 1 {
				for _, late := range []bool{false, true} {
					if late && len(tc.keys) > 1 {
						continue // keys before an unfinished sequence are passed on with it
					}
					d := detacher{keys: []byte(tc.keys)}
					pass, left := d.feed([]byte(tc.typed[:cut]))
					var more []byte
					if late && !left && d.unclear() {
						// The rest comes late: what was passed on by then cannot be taken back.
						more, left = d.expire()
						pass = append(pass, more...)
					}
					if !left {
						more, left = d.feed([]byte(tc.typed[cut:]))
						pass = append(pass, more...)
					}
					if !left {
						more, left = d.expire()
						pass = append(pass, more...)
					}
					if left != tc.detached {
						t.Fatalf("cut at %d, late %t: detached %t", cut, late, left)
					}
					if got := string(pass); got != tc.pass && (!late || !left || !strings.HasPrefix(tc.typed, got)) {
						t.Fatalf("cut at %d, late %t: passed %q, want %q", cut, late, got, tc.pass)
					}
				}
			}
		})
	}
}

// The escape key by itself is passed on, and is a detach key where it is to be one.
func TestDetacherAndTheEscapeKey(t *testing.T) {
	for keys, want := range map[string]bool{"\x1d": false, "\x1b": true} {
		d := detacher{keys: []byte(keys)}
		if pass, left := d.feed([]byte("\x1b")); len(pass) > 0 || left || !d.unclear() {
			t.Errorf("%q: %q, %t", keys, pass, left)
		}
		if pass, left := d.expire(); left != want || left == (string(pass) == "\x1b") {
			t.Errorf("%q: %q, %t", keys, pass, left)
		}
		if d.unclear() {
			t.Errorf("%q: still unclear", keys)
		}
	}
}
