package cli

import (
	"io"
	"os"

	"github.com/bangervm/banger/internal/agentrpc"
)

// screen is this process's stdout and stderr, given to a program in a guest. It
// follows which modes the program puts the terminal into, to undo them when the
// program did not: it was killed, its VM was, or the connection broke.
type screen struct {
	terminal *os.File // nil: neither of them is one
	modes    agentrpc.TerminalModes
}

func (a *App) screen() *screen {
	s := &screen{}
	for _, f := range []*os.File{a.Err, a.Out} {
		if isTerminal(f) {
			s.terminal = f
		}
	}
	return s
}

// through is f with what is written to it followed, if it is a terminal. What
// it returns is not for concurrent use with another of the same screen.
func (s *screen) through(f *os.File) io.Writer {
	if !isTerminal(f) {
		return f
	}
	return io.MultiWriter(f, &s.modes)
}

// leave puts the terminal back into the modes that it had.
func (s *screen) leave() {
	if s.terminal != nil {
		_, _ = s.terminal.Write(s.modes.Leave()) // a terminal that is gone has no modes
	}
}
