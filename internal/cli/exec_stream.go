package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// interruptsToLeave is how many interrupts in a row end banger when the
// command in the guest does not end.
const interruptsToLeave = 3

// namedVM is a VM as it is asked for, and as it is called in messages.
type namedVM struct{ id, name string }

// execIn runs a command in a guest with this process's stdio. The error is a
// statusError with the command's status, or with 125 when banger failed.
func (a *App) execIn(ctx context.Context, c *client.Client, vm namedVM, req api.Exec) error {
	if req.TTY {
		if cols, rows, err := term.GetSize(int(a.In.Fd())); err == nil {
			req.Rows, req.Cols = uint16(rows), uint16(cols)
		}
		if t := a.getenv("TERM"); t != "" {
			req.Env = append([]string{"TERM=" + t}, req.Env...)
		}
	}
	shown := a.screen()
	if shown.terminal != nil {
		a.signals.outlive()
	}
	running, err := c.Exec(ctx, vm.id, req)
	if err != nil {
		return ownFailure(err)
	}
	running.VM = vm.name
	defer running.Close()
	if req.TTY {
		before, err := term.MakeRaw(int(a.In.Fd()))
		if err != nil {
			return ownFailure(err)
		}
		defer func() { _ = term.Restore(int(a.In.Fd()), before) }()
	}
	stop := a.relaySignals(running, req.TTY)
	defer stop()
	if req.Stdin {
		go running.Feed(a.In)
	}
	defer shown.leave()
	status, err := running.Run(ctx, shown.through(a.Out), shown.through(a.Err))
	switch {
	case err != nil && (stop() || ctx.Err() != nil):
		return &statusError{status: statusCanceled}
	case err != nil:
		return execFailure(err)
	case status != 0:
		return &statusError{status: status}
	default:
		return nil
	}
}

// execFailure is the exit status for a command that did not start, or of which
// the end is not known.
func execFailure(err error) error {
	if started, ok := errors.AsType[*client.NotStartedError](err); ok {
		if started.UnknownUser() {
			return &statusError{status: started.Status, cause: fault.New(fault.Invalid, "%s", started.Message).WithHint("use --user root, or another user that the guest has")}
		}
		return &statusError{status: started.Status, cause: started}
	}
	if _, ok := errors.AsType[*client.OutputError](err); ok && errors.Is(err, syscall.EPIPE) {
		return &statusError{status: 128 + int(syscall.SIGPIPE)} // as a program that does not ignore it
	}
	return ownFailure(err)
}

// relaySignals sends signals and changes of the window's size to the command
// until stop is called. stop reports whether the user gave up on the command.
func (a *App) relaySignals(to *client.Execution, tty bool) (stop func() bool) {
	incoming := make(chan os.Signal, 8)
	if tty {
		signal.Notify(incoming, syscall.SIGWINCH)
	} else {
		signal.Notify(incoming, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	}
	release := a.signals.divert(func(sig os.Signal) { incoming <- sig })
	done := make(chan struct{})
	var ended sync.WaitGroup
	gaveUp := false
	ended.Go(func() {
		interrupted := 0
		for {
			select {
			case <-done:
				return
			case sig := <-incoming:
				if sig == syscall.SIGWINCH {
					a.resize(to)
					continue
				}
				to.Signal(signalNames()[sig])
				// Without its terminal, closing the stream hangs the command up too.
				if interrupted++; interrupted >= interruptsToLeave || tty && sig == syscall.SIGHUP {
					gaveUp = true
					to.Close()
					return
				}
			}
		}
	})
	var once sync.Once
	return func() bool {
		once.Do(func() {
			release()
			signal.Stop(incoming)
			close(done)
			ended.Wait()
		})
		return gaveUp
	}
}

func (a *App) resize(to *client.Execution) {
	if cols, rows, err := term.GetSize(int(a.In.Fd())); err == nil {
		to.Resize(uint16(rows), uint16(cols))
	}
}

// signalNames are the signals that a command in a guest gets instead of banger.
func signalNames() map[os.Signal]string {
	return map[os.Signal]string{
		syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGQUIT: "QUIT", syscall.SIGHUP: "HUP",
		syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
	}
}
