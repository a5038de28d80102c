package mcp

import (
	"bufio"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// Statuses of a command that did not start, as a shell has them.
const (
	statusCannotRun = 126
	statusNotFound  = 127
)

// receive copies what the command writes until it ends, and returns its status,
// 0 to 255. A command that did not start is a fault.
func receive(stream io.Reader, stdout, stderr io.Writer) (int, error) {
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
	if err == nil {
		_, err = w.Write(p)
	}
	return err
}

// notStarted is the fault of a command that the guest could not start.
func notStarted(payload []byte) error {
	status, message, err := agentrpc.ParseError(payload)
	if err != nil {
		return err
	}
	reason, _ := printable([]byte(message))
	switch status {
	case statusNotFound:
		return fault.New(fault.NotFound, "the command did not start: %s", reason).
			WithHint("command[0] is a program in PATH, or a path; for shell syntax use [\"sh\",\"-c\",\"…\"]")
	case statusCannotRun:
		return fault.New(fault.Invalid, "the command did not start: %s", reason)
	default:
		return fault.New(fault.Internal, "the command did not start (status %d): %s", status, reason)
	}
}
