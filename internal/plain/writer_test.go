package plain

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestWriter(t *testing.T) {
	for name, tc := range map[string]struct{ wrote, shown string }{
		"text":                         {"héllo\tw\n", "héllo\tw\n"},
		"colours":                      {"\x1b[1;31mred\x1b[0m.\x1b[38;5;9mx\x1b[m", "\x1b[1;31mred\x1b[0m.\x1b[38;5;9mx\x1b[m"},
		"a colour that is left on":     {"\x1b[31mred", "\x1b[31mred\x1b[0m"},
		"text that is hidden":          {"\x1b[8msecret\x1b[1;8mx", "secretx"},
		"a keyboard's settings":        {"\x1b[>4;2mx", "x"},
		"a cursor":                     {"a\x1b[2Jb\x1b[1;1Hc\x1b[?1049hd\x1b7e\x1bcf", "abcdef"},
		"a title":                      {"a\x1b]0;evil\x07b\x1b]2;evil\x1b\\c", "abc"},
		"the clipboard":                {"\x1b]52;c;ZXZpbA==\x07x", "x"},
		"a terminal's answer":          {"\x1b[6n\x1b[c\x1bP$q\"p\x1b\\x", "x"},
		"a character set":              {"\x1b(0x\x0ey", "xy"},
		"controls":                     {"a\x00\x07\x08\x7fb\u009b31mc", "ab31mc"},
		"directions":                   {"a\u202eb\u2066c", "abc"},
		"what has no width":            {"a\u200bb\ufeffc\U000e0041d❤\ufe0f?", "abcd❤?"},
		"spaces of other kinds":        {"a\u00a0b\u3000c\u2028d", "a b c d"},
		"symbols of a font":            {"\ue0b0", "\ue0b0"},
		"what is no UTF-8":             {"a\xffb\xc3(c\xe2\x82", "a\ufffdb\ufffd(c"},
		"lines as terminals have them": {"a\r\nb\r\n", "a\nb\n"},
		"a line that is written over":  {"evil\rgood\n", "evil\ngood\n"},
		"a string without an end":      {"\x1b]0;hides\nthis\n", "\nthis\n"},
		"a long string":                {"\x1b]0;" + strings.Repeat("x", 5000) + "shown", strings.Repeat("x", 5000-4094) + "shown"},
		"a sequence without an end":    {"\x1b[" + strings.Repeat("1", 100) + "\nx", strings.Repeat("1", 100-62) + "\nx"},
		"a sequence broken off":        {"\x1b[3\x1b[31mx\x1b[0m", "\x1b[31mx\x1b[0m"},
		"a string broken off":          {"\x1b]0;a\x1b[31mx\x1b[0m", "\x1b[31mx\x1b[0m"},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(tc.wrote); size++ {
				var out bytes.Buffer
				p := NewWriter(&out, true)
				for rest := []byte(tc.wrote); len(rest) > 0; {
					n, err := p.Write(rest[:min(size, len(rest))])
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := p.End(); err != nil {
					t.Fatal(err)
				}
				if out.String() != tc.shown {
					t.Fatalf("by %d bytes: %q, want %q", size, out.String(), tc.shown)
				}
			}
		})
	}
}

// Whatever a guest writes, a terminal gets nothing but text and colours.
func TestWriterShowsTextAndColoursOnly(t *testing.T) {
	pieces := []string{"\x1b", "[", "]", "0;", "m", "31", "\x07", "\\", "text", "\n", "\r", "\u009b", "\u200b", "\u2028", "\xff", "é", "P", "(", "?", "h"}
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		p := NewWriter(&out, rapid.Bool().Draw(t, "colours"))
		for _, piece := range rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces") {
			if _, err := p.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		shown := out.String()
		for text := shown; ; {
			_, rest, found := strings.Cut(text, "\x1b[")
			if !found {
				break
			}
			params, after, _ := strings.Cut(rest, "m")
			if !p.colours || strings.Trim(params, "0123456789;:") != "" {
				t.Fatalf("%q is no colour", params)
			}
			text, shown = after, strings.Replace(shown, "\x1b["+params+"m", "", 1)
		}
		if at := strings.IndexFunc(shown, func(r rune) bool { return r != '\n' && r != '\t' && r != utf8.RuneError && !Shows(r) }); at >= 0 {
			t.Fatalf("%q shows more than text at %d", shown, at)
		}
	})
}
