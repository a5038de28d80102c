package session

import (
	"strings"
	"testing"
)

func TestNoticesInOutput(t *testing.T) {
	for name, c := range map[string]struct{ output, want string }{
		"a bell":                        {"done\a", "bel"},
		"plain text":                    {"hello\r\nworld", ""},
		"a title, ended by a bell":      {"\x1b]0;title\a", ""},
		"a title, ended by ST":          {"\x1b]2;title\x1b\\", ""},
		"OSC 9":                         {"\x1b]9;Build done\a", "osc9 Build done"},
		"OSC 9 with ST":                 {"\x1b]9;Build done\x1b\\", "osc9 Build done"},
		"progress":                      {"\x1b]9;4;1;50\a\x1b]9;4\a", ""},
		"OSC 777":                       {"\x1b]777;notify;Claude;needs you\a", "osc777 Claude needs you"},
		"OSC 777 without a body":        {"\x1b]777;notify;Claude\a", "osc777 Claude"},
		"another verb":                  {"\x1b]777;precmd\a", ""},
		"OSC 99":                        {"\x1b]99;;Hello\x1b\\", "osc99 Hello"},
		"OSC 99 in parts":               {"\x1b]99;i=1:d=0;Hello\x1b\\\x1b]99;i=1:p=body;world\x1b\\", "osc99 Hello world"},
		"OSC 99 in parts, unfinished":   {"\x1b]99;i=1:d=0;Hello\x1b\\", ""},
		"OSC 99 in base64":              {"\x1b]99;e=1;SGVsbG8=\x1b\\", "osc99 Hello"},
		"OSC 99 in base64, unpadded":    {"\x1b]99;e=1;SGVsbG8\x1b\\", "osc99 Hello"},
		"closing one":                   {"\x1b]99;i=1:p=close;\x1b\\", ""},
		"the last of several":           {"\a\x1b]9;one\a\x1b]9;two\a", "osc9 two"},
		"a bell in a device string":     {"\x1bPq#\a", ""},
		"canceled":                      {"\x1b]9;no\x18\a", "bel"},
		"an escape inside":              {"\x1b]9;no\x1b[31m", ""},
		"a string, then a bell":         {"\x1b_G\x1b\\\a", "bel"},
		"8-bit controls are characters": {"\x9d9;no\x9c", ""},
		"not UTF-8":                     {"\x1b]9;a\xffb\a", "osc9 ab"},
		"too long":                      {"\x1b]9;" + strings.Repeat("x", 1<<20) + "\a", "osc9 " + strings.Repeat("x", 512)},
		"too many parts":                {strings.Repeat("\x1b]99;d=0;x\x1b\\", 16), "osc99 x" + strings.Repeat(" x", 15)},
	} {
		for _, size := range []int{len(c.output), 1, 3} { // however it is cut
			var n noticeParser
			var last *notice
			for rest := []byte(c.output); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if found := n.write(rest[:min(size, len(rest))]); found != nil {
					last = found
				}
			}
			got := ""
			if last != nil {
				got = strings.TrimSpace(last.source + " " + last.text)
			}
			if got != c.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", name, size, got, c.want)
			}
		}
	}
}

func FuzzNotices(f *testing.F) {
	for _, seed := range []string{"\a", "\x1b]9;x\a", "\x1b]99;d=0:e=1;SGVs\x1b\\", "\x1b]777;notify;a;b\x1b\\", "\x1bP\x1b\x1b]\x1b", "\x1b]99;p=body;\x18"} {
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		var whole, pieces noticeParser
		a := whole.write(p)
		var b *notice
		size = max(1, size%7)
		for rest := p; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if found := pieces.write(rest[:min(size, len(rest))]); found != nil {
				b = found
			}
		}
		if (a == nil) != (b == nil) || a != nil && *a != *b {
			t.Errorf("%q: whole %v, in pieces %v", p, a, b)
		}
		if cap(whole.osc) > 2*maxOSC || len(whole.kitty) > 512 || a != nil && len(a.text) > 512 {
			t.Errorf("%q: %d bytes kept, notice %v", p, cap(whole.osc), a)
		}
	})
}
