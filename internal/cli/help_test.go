package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 19) + "words" // 100 columns
	for _, test := range []struct {
		name, in, want string
		width          int
	}{
		{"short lines stay apart", "one\ntwo", "one\ntwo", 60},
		{"a filled line goes on", long + "\nend.", strings.Repeat("word ", 11) + "word\n" + strings.Repeat("word ", 7) + "words end.", 60},
		{"a paragraph ends", long + "\n\nend.", long + "\n\nend.", 120},
		{"indented", "  " + long, "  " + long, 60},
		{"aligned", "For all of them:  " + long, "For all of them:  " + long, 60},
		{"a filled line before an indented one", long + "\n  list", long + "\n  list", 120},
		{"a long word", strings.Repeat("x", 70) + " end", strings.Repeat("x", 70) + "\nend", 60},
		{"nothing but a long word", strings.Repeat("x", 70), strings.Repeat("x", 70), 60},
		{"characters of several bytes", strings.Repeat("é", 60), strings.Repeat("é", 60), 60},
		{"empty", "", "", 60},
	} {
		if got := wrap(test.in, test.width); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// TestHelpFitsATerminal: no prose of a command's help is wider than 80 columns.
func TestHelpFitsATerminal(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for line := range strings.SplitSeq(wrap(cmd.Long, defaultWidth), "\n") {
			if utf8.RuneCountInString(line) > defaultWidth && !strings.HasPrefix(line, " ") && !strings.Contains(line, "  ") {
				t.Errorf("%s: %q", cmd.CommandPath(), line)
			}
		}
		for _, c := range cmd.Commands() {
			check(c)
		}
	}
	check((&App{}).rootCommand())
}
