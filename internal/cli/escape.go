package cli

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/bangervm/banger/internal/plain"
)

// escapeUnseen writes the characters of JSON's text that a terminal obeys and does
// not show as escapes: JSON's own encoder leaves C1 and the controls of direction as
// they are. Beyond U+FFFF YAML and JSON differ, so long is the format of those; empty
// means a surrogate pair. What it escapes stands inside strings only.
func escapeUnseen(text, long string) string {
	if !strings.ContainsFunc(text, unseen) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unseen(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case long != "":
			fmt.Fprintf(&b, long, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

func unseen(r rune) bool { return r != '\n' && !plain.Shows(r) }
