package cli

import (
	"bufio"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
)

// notStartedError says that the guest could not start the command.
type notStartedError struct {
	status  int // 125, 126 or 127
	message string
}

func (e *notStartedError) Error() string { return e.message }

// outputError says that this side could not write what the command printed.
type outputError struct{ cause error }

func (e *outputError) Error() string { return "write the command's output: " + e.cause.Error() }
func (e *outputError) Unwrap() error { return e.cause }

// receive copies the command's output until it ends and returns its status,
// which is 0 to 255. What breaks the protocol is an error.
func receive(stream io.Reader, stdout, stderr io.Writer) (int, error) {
	in := bufio.NewReaderSize(stream, 32<<10)
	buf := make([]byte, 0, 4<<10)
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
			return 0, errorFrame(payload)
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
		return &outputError{cause: err}
	}
	return nil
}

func errorFrame(payload []byte) error {
	status, message, err := agentrpc.ParseError(payload)
	if err != nil {
		return err
	}
	return &notStartedError{status: status, message: message}
}
