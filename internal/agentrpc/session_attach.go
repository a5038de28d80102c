package agentrpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// AttachProtocol is the Upgrade token of an attachment; docs/attach.md
// describes it. A frame is one type byte, the payload's length as 4 bytes
// big-endian, and the payload (at most MaxAttachFrame bytes). Offsets are 8
// bytes big-endian and count bytes from the beginning of their stream.
const AttachProtocol = "banger-attach-v1"

const (
	// MaxAttachData bounds the data of one frame, in bytes.
	MaxAttachData = 64 << 10
	// MaxAttachFrame bounds a frame's payload, in bytes.
	MaxAttachFrame = MaxAttachData + offsetSize
	// AttachHead is the size of what is before a frame's payload, in bytes.
	AttachHead = 5
	offsetSize = 8
)

// FromOldest and FromNow are offsets from which to read: all that is kept, or
// only what comes.
const (
	FromOldest int64 = -1
	FromNow    int64 = -2
)

// SessionAttach asks for an attachment.
type SessionAttach struct {
	// ReadOnly attachments are unlimited in number; there is one writer.
	ReadOnly bool `json:"read_only,omitempty"`
	// Writer is a word of the client's own choice, at most 64 bytes. One that
	// attaches again with the same replaces its former connection, and goes on
	// with its input.
	Writer string `json:"writer,omitempty"`
	// Stdout and Stderr are where to go on reading.
	Stdout int64 `json:"stdout"`
	Stderr int64 `json:"stderr"`
	// Once ends the attachment when all that there is now was sent.
	Once bool `json:"once,omitempty"`
	// Repaint asks for what a terminal's screen needs, instead of Stdout.
	Repaint bool   `json:"repaint,omitempty"`
	Rows    uint16 `json:"rows,omitempty"`
	Cols    uint16 `json:"cols,omitempty"`
}

// AttachFrame is a frame's type.
type AttachFrame byte

// The frames of the client.
const (
	AttachStdin    AttachFrame = 1 // offset, data
	AttachStdinEOF AttachFrame = 2 // offset: the input's whole length
	AttachResize   AttachFrame = 3 // rows, cols: 2 bytes each, big-endian
	AttachSignal   AttachFrame = 4 // a signal's name without SIG
)

// The frames of the agent.
const (
	AttachHello  AttachFrame = 16 // AttachGreeting, as JSON
	AttachStdout AttachFrame = 17 // offset, data
	AttachStderr AttachFrame = 18 // offset, data
	AttachLost   AttachFrame = 19 // stream (1 byte), offset from, offset to: kept no more
	AttachAck    AttachFrame = 20 // offset: input that the command has read
	AttachEnd    AttachFrame = 21 // AttachEnding, as JSON; the last frame
)

// AttachGreeting is the agent's first frame.
type AttachGreeting struct {
	Session string `json:"session"`
	TTY     bool   `json:"tty"`
	// Stdin is how much of this writer's input has arrived: what is sent again
	// from before it is dropped. StdinClosed says that input was ended.
	Stdin       int64 `json:"stdin"`
	StdinClosed bool  `json:"stdin_closed,omitempty"`
	StdinWindow int64 `json:"stdin_window"`
	// Stdout and Stderr are where output goes on.
	Stdout int64 `json:"stdout"`
	Stderr int64 `json:"stderr"`
	// Modes puts a terminal into the modes that the session's has.
	Modes []byte `json:"modes,omitempty"`
}

// AttachEnding says why nothing more comes.
type AttachEnding struct {
	// Reason is "exited", "once" (all there was is sent), "replaced" (the same
	// writer attached elsewhere), or "error".
	Reason   string `json:"reason"`
	ExitCode int    `json:"exit_code"`
	Signal   string `json:"signal,omitempty"`
	Message  string `json:"message,omitempty"`
}

// Reasons of an AttachEnding.
const (
	EndExited   = "exited"
	EndOnce     = "once"
	EndReplaced = "replaced"
	EndError    = "error"
)

// AppendFrame appends a frame, of which parts are the payload.
func AppendFrame(dst []byte, t AttachFrame, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, byte(t))
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// AppendOffset appends an offset.
func AppendOffset(dst []byte, offset int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(offset))
}

// PutAttachHead writes the head of a data frame into the first AttachDataHead bytes of
// buf: its type, the length for n bytes of data, and their offset.
func PutAttachHead(buf []byte, t AttachFrame, offset int64, n int) {
	buf[0] = byte(t)
	binary.BigEndian.PutUint32(buf[1:AttachHead], uint32(n+offsetSize))
	binary.BigEndian.PutUint64(buf[AttachHead:AttachDataHead], uint64(offset))
}

// AttachDataHead is the size of what is before a data frame's data, in bytes.
const AttachDataHead = AttachHead + offsetSize

// ReadAttachFrame reads one frame into buf, which it grows up to
// MaxAttachFrame, and returns the type and the payload (valid until the next
// call with buf). What is no frame is an ErrFrame.
func ReadAttachFrame(r io.Reader, buf []byte) (AttachFrame, []byte, error) {
	var head [AttachHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxAttachFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, n, MaxAttachFrame)
	}
	t := AttachFrame(head[0])
	if t < AttachStdin || t > AttachSignal && t < AttachHello || t > AttachEnd {
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
	return t, buf, nil
}

// ParseOffset splits a payload into its offset and the rest.
func ParseOffset(payload []byte) (int64, []byte, error) {
	if len(payload) < offsetSize {
		return 0, nil, fmt.Errorf("%w: %d bytes are no offset", ErrFrame, len(payload))
	}
	offset := int64(binary.BigEndian.Uint64(payload))
	if offset < 0 {
		return 0, nil, fmt.Errorf("%w: an offset beyond all bounds", ErrFrame)
	}
	return offset, payload[offsetSize:], nil
}

// ParseLost reads the payload of AttachLost.
func ParseLost(payload []byte) (stream Stream, from, to int64, err error) {
	if len(payload) != 1+2*offsetSize || payload[0] > byte(Stderr) {
		return 0, 0, 0, fmt.Errorf("%w: malformed loss", ErrFrame)
	}
	from, rest, err := ParseOffset(payload[1:])
	if err != nil {
		return 0, 0, 0, err
	}
	if to, _, err = ParseOffset(rest); err != nil {
		return 0, 0, 0, err
	}
	if to < from {
		return 0, 0, 0, fmt.Errorf("%w: a loss from %d to %d", ErrFrame, from, to)
	}
	return Stream(payload[0]), from, to, nil
}
