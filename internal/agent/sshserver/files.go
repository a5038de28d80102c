package sshserver

import (
	"os"

	"github.com/bangervm/banger/internal/agent/command"
)

// files are a command's ends of its pipes or its terminal, and ours.
type files struct {
	stdin, stdout, stderr *os.File
	in, out, err          *os.File // err is nil with a terminal
	master                *os.File
}

func (s *session) open(spec *command.Spec) (*files, error) {
	f := &files{}
	var err error
	if s.pty != nil {
		f.master, f.stdin, err = command.OpenTerminal(spec.User, size(s.pty.Rows), size(s.pty.Cols))
		f.stdout, f.stderr, f.in, f.out = f.stdin, f.stdin, f.master, f.master
		return f, err
	}
	if f.stdin, f.in, err = os.Pipe(); err != nil {
		return f, err
	}
	if f.out, f.stdout, err = os.Pipe(); err == nil {
		f.err, f.stderr, err = os.Pipe()
	}
	if err != nil {
		f.closeTheirs()
		f.closeOurs()
	}
	return f, err
}

func (f *files) closeTheirs() { closeAll(f.stdin, f.stdout, f.stderr) }
func (f *files) closeOurs()   { closeAll(f.in, f.out, f.err) }

func closeAll(fs ...*os.File) {
	for _, f := range fs {
		if f != nil {
			_ = f.Close()
		}
	}
}
