package cli

import (
	"io"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/plain"
)

// maxShown bounds a cell, a name or a message on the screen, in bytes.
const maxShown = 64 << 10

// plain is f for a guest's words: as they are when f is no terminal, or raw. The
// caller calls done at the end.
func (a *App) plain(f *os.File, raw bool) (w io.Writer, done func()) {
	if raw || !isTerminal(f) {
		return f, func() {}
	}
	p := plain.NewWriter(f, a.colour(f))
	return p, func() { _ = p.End() }
}

// indented is text of several lines, of which all but the first are indented.
func indented(text string, columns int) string {
	return strings.ReplaceAll(plain.Lines(strings.TrimRight(text, "\r\n"), maxShown), "\n", "\n"+strings.Repeat(" ", columns))
}
