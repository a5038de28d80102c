package hostgit

import (
	"strings"

	"github.com/bangervm/banger/internal/plain"
)

// maxTold bounds what is told of a guest's words, in bytes.
const maxTold = 1000

// Printable is a guest's text, safe to show.
func Printable(text string) string { return plain.Line(text, maxTold) }

// SomeOf joins names, but not many.
func SomeOf(names []string) string {
	const some = 5
	if len(names) > some {
		return strings.Join(names[:some], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
