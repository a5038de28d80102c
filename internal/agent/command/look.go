package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// LookPath finds the executable of a command called name as spec would: in the
// PATH of spec's environment, or by its path. The error is a *StartError.
func LookPath(spec Spec, name string) (string, error) {
	spec.Argv = []string{name}
	return lookPath(spec)
}

// PID is the process's id, and its process group's.
func (p *Process) PID() int { return p.proc.Pid }

// Redraw tells whoever uses a terminal in the foreground to paint it again, as a
// change of its size would.
func Redraw(master *os.File) {
	raw, err := master.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if group, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP); err == nil && group > 1 {
			_ = unix.Kill(-group, unix.SIGWINCH)
		}
	})
}
