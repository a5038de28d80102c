package agentrpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	// maxStatus is the largest exit status there is.
	maxStatus = 255
	// maxStartMessage is how much of an agent's reason is kept, in bytes.
	maxStartMessage = 4 << 10
)

// The agent's words are a guest's: each Parse function below accepts what an
// agent sends and nothing else. Their errors are ErrFrame.

// ParseOutput returns the payload of FrameStdout or FrameStderr, which is never
// empty: a peer that sends nothing without end is none of ours.
func ParseOutput(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, fmt.Errorf("%w: output of no bytes", ErrFrame)
	}
	return payload, nil
}

// ParseExit returns the exit status of FrameExit, 0 to 255.
func ParseExit(payload []byte) (int, error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("%w: an exit status of %d bytes", ErrFrame, len(payload))
	}
	status := binary.BigEndian.Uint32(payload)
	if status > maxStatus {
		return 0, fmt.Errorf("%w: exit status %d", ErrFrame, status)
	}
	return int(status), nil
}

// ParseError returns what FrameError says: the status, 125 to 127, and why the
// command did not start, at most 4 KiB of it and not made printable.
func ParseError(payload []byte) (status int, message string, err error) {
	if len(payload) < 4 {
		return 0, "", fmt.Errorf("%w: an error of %d bytes", ErrFrame, len(payload))
	}
	code := binary.BigEndian.Uint32(payload)
	if code < 125 || code > 127 {
		return 0, "", fmt.Errorf("%w: error with status %d", ErrFrame, code)
	}
	text := payload[4:min(len(payload), 4+maxStartMessage)]
	return int(code), string(bytes.ToValidUTF8(text, []byte("?"))), nil
}
