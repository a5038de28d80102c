package cli

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
)

// suspension stops banger's process group, as ctrl-z does for other programs, until a shell
// continues it.
type suspension struct{ over *handover }

// SetStdin is part of tea.ExecCommand.
func (*suspension) SetStdin(io.Reader) {}

// SetStdout is part of tea.ExecCommand.
func (*suspension) SetStdout(io.Writer) {}

// SetStderr is part of tea.ExecCommand.
func (*suspension) SetStderr(io.Writer) {}

const (
	// stopTicks at stopTick is how long it takes at most to be stopped. A timer alone could
	// not tell: it would have expired, too, when a stopped process goes on.
	stopTicks = 20
	stopTick  = 50 * time.Millisecond
	// killGrace is how long after a continuation the signal to end may come, which shells
	// send together.
	killGrace = 100 * time.Millisecond
)

// Run is part of tea.ExecCommand. The kernel stops no process group that nobody could
// continue: that of a command of ssh or tmux, without a shell.
func (s *suspension) Run() error {
	s.over.report.released()
	defer s.over.report.held()
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	if err := syscall.Kill(0, syscall.SIGTSTP); err != nil {
		return err
	}
	tick := time.NewTicker(stopTick)
	defer tick.Stop()
	for range stopTicks {
		select {
		case <-resumed:
			s.leaveFromBackground()
			return nil
		case <-tick.C:
		}
	}
	return fault.New(fault.Unavailable, "cannot suspend: no shell waits here to continue banger")
}

// leaveFromBackground ends banger if that is what it was continued for, as `kill %1` does.
// The terminal is the shell's then, and has been given back.
func (s *suspension) leaveFromBackground() {
	group, err := unix.IoctlGetInt(int(s.over.app.In.Fd()), unix.TIOCGPGRP)
	if err != nil || group == unix.Getpgrp() {
		return
	}
	select {
	case <-s.over.ctx.Done():
		s.over.app.Exit(statusCanceled)
	case <-time.After(killGrace):
	}
}
