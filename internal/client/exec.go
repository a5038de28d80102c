package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// Execution is a command that runs in a guest for as long as its connection
// stands. Its methods are safe for concurrent use. Those that write to it drop
// what goes wrong: a broken connection shows in Run.
type Execution struct {
	// VM is what errors call the VM: as Exec was told, unless the caller has a
	// better name for it. It is not changed once Run is called.
	VM string

	stream io.ReadWriteCloser

	mu sync.Mutex // one frame at a time
}

// Exec starts a command in the VM called vm. The caller calls Run once, and
// Close, which ends the command.
func (c *Client) Exec(ctx context.Context, vm string, req api.Exec) (*Execution, error) {
	stream, err := c.ExecVM(ctx, vm, req)
	if err != nil {
		return nil, err
	}
	return NewExecution(vm, stream), nil
}

// NewExecution is an Execution in vm over a stream, which it takes over, that
// carries the frames of agentrpc's exec protocol.
func NewExecution(vm string, stream io.ReadWriteCloser) *Execution {
	return &Execution{VM: vm, stream: stream}
}

// NotStartedError says that the guest could not start a command.
type NotStartedError struct {
	Status  int    // what a shell would exit with: 125, 126 or 127
	Message string // the guest's words
}

// UnknownUser reports whether the guest lacks the user that the command was to run as.
func (e *NotStartedError) UnknownUser() bool {
	return strings.HasPrefix(e.Message, agentrpc.UnknownUser)
}

// Error is the guest's words.
func (e *NotStartedError) Error() string { return e.Message }

// OutputError says that a writer did not take what a command wrote.
type OutputError struct{ Cause error }

// Error names the cause.
func (e *OutputError) Error() string { return "write the command's output: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Cause }

// Run copies what the command writes until it ends, and returns its status, 0 to
// 255. When ctx ends, the connection does, and so the command hangs up. The
// error is a *NotStartedError, an *OutputError, or Unavailable where the
// connection broke.
func (e *Execution) Run(ctx context.Context, stdout, stderr io.Writer) (status int, err error) {
	defer context.AfterFunc(ctx, e.Close)()
	status, err = receive(e.stream, stdout, stderr)
	if err == nil {
		return status, nil
	}
	if _, ok := errors.AsType[*NotStartedError](err); ok {
		return 0, err
	}
	if _, ok := errors.AsType[*OutputError](err); ok {
		return 0, err
	}
	return 0, fault.Wrap(fault.Unavailable, err, "lost the connection to %s while the command was running", e.VM).Try(act.VMLogs.On(e.VM))
}

// receive copies output until the last frame. What breaks the protocol is an error.
func receive(stream io.Reader, stdout, stderr io.Writer) (status int, err error) {
	in := bufio.NewReaderSize(stream, 32<<10)
	var buf []byte
	for {
		kind, payload, err := agentrpc.ReadFrame(in, buf)
		if err != nil {
			return 0, err
		}
		buf = payload[:0]
		switch kind {
		case agentrpc.FrameStdout:
			err = writeOutput(stdout, payload)
		case agentrpc.FrameStderr:
			err = writeOutput(stderr, payload)
		case agentrpc.FrameExit:
			return agentrpc.ParseExit(payload)
		case agentrpc.FrameError:
			return 0, notStarted(payload)
		default:
			return 0, fmt.Errorf("%w: type %d from the guest", agentrpc.ErrFrame, kind)
		}
		if err != nil {
			return 0, err
		}
	}
}

func writeOutput(w io.Writer, payload []byte) error {
	p, err := agentrpc.ParseOutput(payload)
	if err != nil {
		return err
	}
	if _, err := w.Write(p); err != nil {
		return &OutputError{Cause: err}
	}
	return nil
}

func notStarted(payload []byte) error {
	status, message, err := agentrpc.ParseError(payload)
	if err != nil {
		return err
	}
	return &NotStartedError{Status: status, Message: message}
}

// maxInput is how much of a command's input goes in one frame, in bytes.
const maxInput = agentrpc.MaxFrame / 2

// Feed copies r to the command's input, and ends the input when r does. It
// returns then, or after the first Read for which the connection is gone.
func (e *Execution) Feed(r io.Reader) {
	buf := make([]byte, maxInput)
	for {
		n, err := r.Read(buf)
		if n > 0 && !e.send(agentrpc.FrameStdin, buf[:n]) {
			return
		}
		if err != nil {
			e.send(agentrpc.FrameStdinEOF, nil)
			return
		}
	}
}

// Resize sets the terminal's size, in characters.
func (e *Execution) Resize(rows, cols uint16) {
	e.send(agentrpc.FrameResize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, rows), cols))
}

// Signal sends a signal, by its name without SIG. It waits while the guest does
// not take what is sent before it.
func (e *Execution) Signal(name string) { e.send(agentrpc.FrameSignal, []byte(name)) }

// Close ends the connection, and with it the command, which hangs up.
func (e *Execution) Close() { _ = e.stream.Close() }

func (e *Execution) send(t agentrpc.FrameType, payload []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return agentrpc.WriteFrame(e.stream, t, payload) == nil
}
