package cli

import (
	"bufio"
	"encoding/binary"
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
			_, err = stdout.Write(payload)
		case agentrpc.FrameStderr:
			_, err = stderr.Write(payload)
		case agentrpc.FrameExit:
			return exitFrame(payload)
		case agentrpc.FrameError:
			return 0, errorFrame(payload)
		default:
			return 0, fmt.Errorf("%w: type %d from the guest", agentrpc.ErrFrame, kind)
		}
		if err != nil {
			return 0, &outputError{cause: err}
		}
	}
}

func exitFrame(payload []byte) (int, error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("%w: an exit status of %d bytes", agentrpc.ErrFrame, len(payload))
	}
	status := binary.BigEndian.Uint32(payload)
	if status > 255 {
		return 0, fmt.Errorf("%w: exit status %d", agentrpc.ErrFrame, status)
	}
	return int(status), nil
}

func errorFrame(payload []byte) error {
	if len(payload) < 4 {
		return fmt.Errorf("%w: an error of %d bytes", agentrpc.ErrFrame, len(payload))
	}
	status := binary.BigEndian.Uint32(payload)
	if status < 125 || status > 127 {
		return fmt.Errorf("%w: error with status %d", agentrpc.ErrFrame, status)
	}
	return &notStartedError{status: int(status), message: string(payload[4:])}
}
