package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/bangervm/banger/internal/agentrpc"
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
	stream, err := c.ExecVM(ctx, vm.id, req)
	if err != nil {
		return ownFailure(err)
	}
	defer func() { _ = stream.Close() }()
	defer context.AfterFunc(ctx, func() { _ = stream.Close() })() // a signal that came before they are relayed
	if req.TTY {
		before, err := term.MakeRaw(int(a.In.Fd()))
		if err != nil {
			return ownFailure(err)
		}
		defer func() { _ = term.Restore(int(a.In.Fd()), before) }()
	}
	frames := &frameWriter{w: stream}
	stop := a.relaySignals(stream, frames, req.TTY)
	defer stop()
	if req.Stdin {
		go frames.sendInput(a.In)
	}
	defer shown.leave()
	status, err := receive(stream, shown.through(a.Out), shown.through(a.Err))
	switch {
	case err != nil && (stop() || ctx.Err() != nil):
		return &statusError{status: statusCanceled}
	case errors.Is(err, syscall.EPIPE) && isOutput(err):
		return &statusError{status: 128 + int(syscall.SIGPIPE)} // as a program that does not ignore it
	case err != nil:
		return ownFailure(interpret(err, vm.name))
	case status != 0:
		return &statusError{status: status}
	default:
		return nil
	}
}

func isOutput(err error) bool {
	_, ok := errors.AsType[*outputError](err)
	return ok
}

// interpret says in banger's words how a stream ended before the command did.
func interpret(err error, name string) error {
	if started, ok := errors.AsType[*notStartedError](err); ok {
		return &statusError{status: started.status, cause: errors.New(started.message)}
	}
	if isOutput(err) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "lost the connection to %s while the command was running", name).
		WithHint("banger vm show %s", name)
}

// relaySignals sends signals and changes of the window's size to the command
// until stop is called. stop reports whether the user gave up on the command.
func (a *App) relaySignals(stream io.Closer, frames *frameWriter, tty bool) (stop func() bool) {
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
					frames.resize(a.In)
					continue
				}
				frames.signal(sig)
				// Without its terminal, closing the stream hangs the command up too.
				if interrupted++; interrupted >= interruptsToLeave || tty && sig == syscall.SIGHUP {
					gaveUp = true
					_ = stream.Close()
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

// frameWriter writes whole frames from several goroutines.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// write drops the error: a broken stream shows where the answers are read.
func (f *frameWriter) write(t agentrpc.FrameType, payload []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return agentrpc.WriteFrame(f.w, t, payload) == nil
}

func (f *frameWriter) sendInput(in io.Reader) {
	buf := make([]byte, agentrpc.MaxFrame/2)
	for {
		n, err := in.Read(buf)
		if n > 0 && !f.write(agentrpc.FrameStdin, buf[:n]) {
			return
		}
		if err != nil {
			f.write(agentrpc.FrameStdinEOF, nil)
			return
		}
	}
}

func (f *frameWriter) resize(terminal *os.File) {
	cols, rows, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return
	}
	payload := binary.BigEndian.AppendUint16(nil, uint16(rows))
	f.write(agentrpc.FrameResize, binary.BigEndian.AppendUint16(payload, uint16(cols)))
}

func (f *frameWriter) signal(sig os.Signal) {
	names := map[os.Signal]string{
		syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGQUIT: "QUIT", syscall.SIGHUP: "HUP",
		syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
	}
	if name := names[sig]; name != "" {
		f.write(agentrpc.FrameSignal, []byte(name))
	}
}
