package plain

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLineAndLines(t *testing.T) {
	for name, tc := range map[string]struct{ text, line, lines string }{
		"text":                  {"héllo, 世界 – ✓ é", "héllo, 世界 – ✓ é", "héllo, 世界 – ✓ é"},
		"tabs and line breaks":  {"a\tb\nc\r\nd\re\r\r\n", "a b c d e  ", "a\tb\nc\nd\ne\n\n"},
		"an escape sequence":    {"a\x1b[31mb\x1b]0;t\x07", "a?[31mb?]0;t?", "a?[31mb?]0;t?"},
		"a C1 sequence":         {"a\u009b31mb\u0085c", "a?31mb?c", "a?31mb?c"},
		"controls":              {"a\x00\x08\x7f\v\fb", "a?????b", "a?????b"},
		"what turns writing":    {"a\u202eb\u2066c\u200fd\u061ce", "a?b?c?d?e", "a?b?c?d?e"},
		"what has no width":     {"a\u200bb\u200dc\u2060d\ufeffe\u00adf", "a?b?c?d?e?f", "a?b?c?d?e?f"},
		"what is ignored":       {"a\u034fb\u115fc\u3164d\u180be\ufe0ff", "a?b?c?d?e?f", "a?b?c?d?e?f"},
		"hidden tags":           {"a\U000e0041\U000e0100b", "a??b", "a??b"},
		"separators":            {"a\u2028b\u2029c\u00a0d\u3000e", "a b c d e", "a b c d e"},
		"what is no UTF-8":      {"a\xffb\xc3(\xe2\x82\ufffd", "a?b?(???", "a?b?(???"},
		"half a surrogate":      {"a\xed\xa0\x80b", "a???b", "a???b"},
		"what has no character": {"a\uffffb\U0010fffec\u0378d", "a?b?c?d", "a?b?c?d"},
		"symbols of a font":     {"\ue0b0\U000f0001", "\ue0b0\U000f0001", "\ue0b0\U000f0001"},
	} {
		if got := Line(tc.text, 1000); got != tc.line {
			t.Errorf("%s: line %q, want %q", name, got, tc.line)
		}
		if got := Lines(tc.text, 1000); got != tc.lines {
			t.Errorf("%s: lines %q, want %q", name, got, tc.lines)
		}
	}
}

func TestBounds(t *testing.T) {
	for _, tc := range []struct {
		text                string
		most                int
		clip, tail, columns string
	}{
		{"", 0, "", "", ""},
		{"short", 5, "short", "short", "short"},
		{"longer", 5, "lo…", "…er", "long…"},
		{"ééé", 5, "é…", "…é", "ééé"},
		{"ééé", 2, "", "", "é…"},
		{"éééé", 3, "…", "…", "éé…"},
		{"ab", 1, "", "", "…"},
		{"ab", 0, "", "", ""},
		{"ab", -1, "", "", ""},
		{"世界世界", 10, "世界…", "…世界", "世界世界"},
		{strings.Repeat("\x80", 8), 6, "…", "…", strings.Repeat("\ufffd", 5) + "…"},
	} {
		if got := Clip(tc.text, tc.most); got != tc.clip {
			t.Errorf("Clip(%q, %d) = %q, want %q", tc.text, tc.most, got, tc.clip)
		}
		if got := Tail(tc.text, tc.most); got != tc.tail {
			t.Errorf("Tail(%q, %d) = %q, want %q", tc.text, tc.most, got, tc.tail)
		}
		if got := Columns(tc.text, tc.most); got != tc.columns {
			t.Errorf("Columns(%q, %d) = %q, want %q", tc.text, tc.most, got, tc.columns)
		}
	}
	long := strings.Repeat("v", 300)
	if got := Value(long); len(got) > maxValue || got != Clip(long, maxValue) {
		t.Errorf("Value: %d bytes", len(got))
	}
}

// forbidden says what may never come out, by another rule than the one it checks.
func forbidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa1 || r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Cs, unicode.Bidi_Control) ||
		r >= 0x200b && r <= 0x200f || r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0000 && r <= 0xe0fff
}

func FuzzLine(f *testing.F) {
	for _, text := range []string{
		"", "text", "a\x1b[31m\r\n\tb", "\u202e\u200b\u2028\ufeff", "\xff\xc3\xe2\x82", "ééééé", "世界", "\U000e0041", "\u009b\x00", "❤\ufe0f", "…",
	} {
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(0, most%64)
		for _, variant := range []struct {
			name string
			of   func(string, int) string
			also string
		}{{"Line", Line, ""}, {"Lines", Lines, "\n\t"}} {
			got := variant.of(text, most)
			if len(got) > most {
				t.Errorf("%s: %d bytes, at most %d", variant.name, len(got), most)
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s: %q is no UTF-8", variant.name, got)
			}
			if again := variant.of(got, most); again != got {
				t.Errorf("%s: %q becomes %q the second time", variant.name, got, again)
			}
			for _, r := range got {
				if !strings.ContainsRune(variant.also, r) && (forbidden(r) || !Shows(r)) {
					t.Errorf("%s: %q shows %U", variant.name, got, r)
				}
			}
		}
		for name, got := range map[string]string{"Clip": Clip(text, most), "Tail": Tail(text, most)} {
			if len(got) > most || utf8.ValidString(text) && !utf8.ValidString(got) {
				t.Errorf("%s: %q of %q, at most %d", name, got, text, most)
			}
		}
		if got := Columns(text, most); utf8.RuneCountInString(got) > most {
			t.Errorf("Columns: %q has more than %d", got, most)
		}
	})
}
