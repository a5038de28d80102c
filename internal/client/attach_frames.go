package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// send writes input to one connection until that is replaced or broken.
func (a *Attachment) send(out *outgoing) {
	buf := make([]byte, 0, agentrpc.AttachHead+agentrpc.MaxAttachFrame)
	for {
		a.mu.Lock()
		if a.out != out {
			a.mu.Unlock()
			return
		}
		buf = a.outgoingFrames(out, buf[:0])
		changed := a.changed
		a.mu.Unlock()
		if len(buf) == 0 {
			<-changed
			continue
		}
		if _, err := out.w.Write(buf); err != nil {
			return // the reading side sees it too
		}
	}
}

// maxPiece is how much input goes in one frame, in bytes.
const maxPiece = 32 << 10

func (a *Attachment) outgoingFrames(out *outgoing, buf []byte) []byte {
	buf = append(buf, out.queue...)
	out.queue = nil
	end := a.acked + int64(len(a.input))
	if n := min(end-out.sent, maxPiece, a.acked+out.window-out.sent); n > 0 {
		at := out.sent - a.acked
		buf = agentrpc.AppendFrame(buf, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, out.sent), a.input[at:at+n])
		out.sent += n
	}
	if a.eof && !out.eof && out.sent == end {
		out.eof = true
		buf = agentrpc.AppendFrame(buf, agentrpc.AttachStdinEOF, agentrpc.AppendOffset(nil, end))
	}
	return buf
}

// outputFailure says that the one who is attached takes no more output.
type outputFailure struct{ cause error }

func (o *outputFailure) Error() string { return o.cause.Error() }

// receive takes frames until the last.
func (a *Attachment) receive(in io.Reader) (agentrpc.AttachEnding, error) {
	var end agentrpc.AttachEnding
	var buf []byte
	for {
		t, payload, err := agentrpc.ReadAttachFrame(in, buf)
		if err != nil {
			if errors.Is(err, agentrpc.ErrFrame) {
				return end, fault.Wrap(fault.Internal, err, "the agent broke the attach protocol")
			}
			return end, broke(err)
		}
		buf = payload[:cap(payload)]
		if t == agentrpc.AttachEnd {
			if err := json.Unmarshal(payload, &end); err != nil {
				return end, fault.Wrap(fault.Internal, err, "the agent broke the attach protocol")
			}
			return ended(end)
		}
		if err := a.take(t, payload); err != nil {
			return end, err
		}
	}
}

func ended(end agentrpc.AttachEnding) (agentrpc.AttachEnding, error) {
	switch end.Reason {
	case agentrpc.EndExited, agentrpc.EndOnce:
		return end, nil
	case agentrpc.EndReplaced:
		return end, fault.New(fault.Conflict, "another connection has taken over")
	default:
		return end, fault.New(fault.Internal, "the agent ended the attachment: %.200s", end.Message)
	}
}

func (a *Attachment) take(t agentrpc.AttachFrame, payload []byte) error {
	switch t {
	case agentrpc.AttachStdout, agentrpc.AttachStderr:
		stream := agentrpc.Stream(t - agentrpc.AttachStdout)
		offset, data, err := agentrpc.ParseOffset(payload)
		if err == nil && offset != a.next[stream] {
			err = fmt.Errorf("%w: output at %d, %d comes next", agentrpc.ErrFrame, offset, a.next[stream])
		}
		if err == nil {
			data, err = agentrpc.ParseOutput(data)
		}
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the agent broke the attach protocol")
		}
		a.next[stream] += int64(len(data))
		if err := a.opts.Output(stream, data); err != nil {
			return &outputFailure{cause: err}
		}
	case agentrpc.AttachLost:
		stream, from, to, err := agentrpc.ParseLost(payload)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the agent broke the attach protocol")
		}
		a.next[stream] = to
		if a.opts.Lost != nil {
			a.opts.Lost(stream, to-from)
		}
	case agentrpc.AttachAck:
		offset, _, err := agentrpc.ParseOffset(payload)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the agent broke the attach protocol")
		}
		a.acknowledge(offset)
	default:
		return fault.New(fault.Internal, "the agent sent a frame of type %d", t)
	}
	return nil
}

// acknowledge forgets input that the command has read.
func (a *Attachment) acknowledge(offset int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := offset - a.acked
	if n <= 0 || n > int64(len(a.input)) {
		return
	}
	a.acked = offset
	a.input = append(a.input[:0:0], a.input[n:]...)
	a.broadcast()
}
