package agentrpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ExecProtocol is the Upgrade token of POST /v1/exec. The request carries an
// ExecRequest as its JSON body (sent with Content-Length, before the upgrade);
// after "101 Switching Protocols" both sides send frames until FrameExit or
// FrameError. Clients normally open the stream themselves, past the daemon
// (docs/adr/0011); where they cannot, the daemon passes it through unread.
//
// A frame is one type byte, the payload's length as 4 bytes big-endian, and
// the payload (at most MaxFrame bytes).
const ExecProtocol = "banger-exec-v1"

// MaxFrame bounds a frame's payload, in bytes.
const MaxFrame = 64 << 10

// ExecRequest is a command to run in the guest, once, for one connection.
type ExecRequest struct {
	Command []string `json:"command"`
	Dir     string   `json:"dir,omitempty"`  // empty: the image's
	Env     []string `json:"env,omitempty"`  // "K=V", after the guest's own
	User    string   `json:"user,omitempty"` // name, uid, or uid:gid; empty: Configure.User
	TTY     bool     `json:"tty,omitempty"`
	Rows    uint16   `json:"rows,omitempty"`
	Cols    uint16   `json:"cols,omitempty"`
	Stdin   bool     `json:"stdin,omitempty"` // false: the command's stdin is empty
	// KillGroup ends what is left of the process group too, once the command has
	// ended after a signal frame or the loss of its connection.
	KillGroup bool `json:"kill_group,omitempty"`
}

// FrameType is the first byte of a frame.
type FrameType byte

// The frame types. Host to guest: Stdin, StdinEOF, Resize, Signal. Guest to
// host: Stdout, Stderr, Exit, Error.
const (
	FrameStdin    FrameType = 1
	FrameStdinEOF FrameType = 2 // empty payload
	FrameResize   FrameType = 3 // rows, cols: 2 bytes each, big-endian
	FrameSignal   FrameType = 4 // signal name without SIG, as in RFC 4254 6.9
	FrameStdout   FrameType = 5
	FrameStderr   FrameType = 6
	FrameExit     FrameType = 7 // exit status: 4 bytes, big-endian; 128+n for signal n
	FrameError    FrameType = 8 // the command did not start: exit status (125 to 127), 4 bytes, then the message
)

// UnknownUser begins the message of a command that did not start because the guest has no
// such user.
const UnknownUser = "unknown user"

// ErrFrame says that the peer sent what is no frame of this protocol.
var ErrFrame = errors.New("malformed frame")

// WriteFrame writes one frame with a single Write. It is not safe for
// concurrent use on one writer.
func WriteFrame(w io.Writer, t FrameType, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, len(payload), MaxFrame)
	}
	buf := make([]byte, 5+len(payload))
	buf[0] = byte(t)
	binary.BigEndian.PutUint32(buf[1:5], uint32(len(payload)))
	copy(buf[5:], payload)
	_, err := w.Write(buf)
	return err
}

// ReadFrame reads one frame into buf, which it grows up to MaxFrame, and
// returns the type and the payload (valid until the next call with buf).
func ReadFrame(r io.Reader, buf []byte) (FrameType, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, n, MaxFrame)
	}
	if t := FrameType(head[0]); t < FrameStdin || t > FrameError {
		return 0, nil, fmt.Errorf("%w: type %d", ErrFrame, head[0])
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return FrameType(head[0]), buf, nil
}
