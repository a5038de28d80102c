package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// signalled is added to the number of the signal that ended a supervised program, for
// the status of its supervisor, as shells do.
const signalled = 128

// supervise runs the program as a child, and ends as it does. A program that becomes
// another user loses its parent-death signal; this process is the first in a process-ID
// namespace, so the kernel ends the program when it ends.
func supervise(args, env []string, told func() error) (status int, err error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // its supervisor's end is its own
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, env
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", args[0], err)
	}
	if err := told(); err != nil {
		return 0, err
	}
	go func() {
		for sig := range signals {
			_ = cmd.Process.Signal(sig)
		}
	}()
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return signalled + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// SupervisedSignal is the signal that ended a supervised program whose supervisor has
// this exit status; 0: none did.
func SupervisedSignal(status int) syscall.Signal {
	if status <= signalled {
		return 0
	}
	return syscall.Signal(status - signalled)
}
