package session

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

// FrameBuffer is the size of the buffer that Next needs, in bytes.
const FrameBuffer = agentrpc.AttachDataHead + agentrpc.MaxAttachData

// Next waits for something to tell the client, and returns it as one frame, in
// buf where it fits. Last says that nothing follows. An empty frame says that
// the attachment is closed.
func (a *Attachment) Next(buf []byte) (frame []byte, last bool) {
	for {
		frame, last, wake := a.poll(buf)
		if wake == nil {
			return frame, last
		}
		<-wake
	}
}

func (a *Attachment) poll(buf []byte) (frame []byte, last bool, wake <-chan struct{}) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.closed:
		return nil, true, nil
	case a.ending != nil:
		return ending(buf, *a.ending), true, nil
	case a.source != nil && a.ackDue(): // before output, which may never pause
		a.acked = a.source.consumed
		return agentrpc.AppendFrame(buf[:0], agentrpc.AttachAck, agentrpc.AppendOffset(nil, a.acked)), false, nil
	}
	for range 2 {
		a.turn = 1 - a.turn
		if frame := a.output(agentrpc.Stream(a.turn), buf); frame != nil {
			return frame, false, nil
		}
	}
	a.lagging = false
	switch {
	case s.over:
		return ending(buf, agentrpc.AttachEnding{Reason: agentrpc.EndExited, ExitCode: s.status, Signal: s.signal}), true, nil
	case a.once && a.next[0] >= a.until[0] && a.next[1] >= a.until[1]:
		return ending(buf, agentrpc.AttachEnding{Reason: agentrpc.EndOnce}), true, nil
	}
	return nil, false, s.wake
}

func ending(buf []byte, e agentrpc.AttachEnding) []byte {
	data, err := json.Marshal(e)
	if err != nil {
		return nil
	}
	return agentrpc.AppendFrame(buf[:0], agentrpc.AttachEnd, data)
}

// output is the next frame of a stream, or nil when there is none. The caller
// holds s.mu.
func (a *Attachment) output(stream agentrpc.Stream, buf []byte) []byte {
	r := &a.s.out[stream]
	next := a.next[stream]
	if next < r.start {
		a.next[stream] = r.start
		lost := agentrpc.AppendOffset(agentrpc.AppendOffset([]byte{byte(stream)}, next), r.start)
		return agentrpc.AppendFrame(buf[:0], agentrpc.AttachLost, lost)
	}
	end := r.end
	if a.once {
		end = min(end, a.until[stream])
	}
	if next >= end {
		return nil
	}
	n := r.read(next, buf[agentrpc.AttachDataHead:agentrpc.AttachDataHead+min(int64(agentrpc.MaxAttachData), end-next)])
	agentrpc.PutAttachHead(buf, agentrpc.AttachStdout+agentrpc.AttachFrame(stream), next, n)
	a.next[stream] += int64(n)
	a.taken += int64(n)
	if !a.waited.IsZero() {
		a.s.broadcast() // the session may wait for this
	}
	return buf[:agentrpc.AttachDataHead+n]
}

// Receive obeys one frame of the client. An error is the protocol's breach.
func (a *Attachment) Receive(t agentrpc.AttachFrame, payload []byte) error {
	if a.readOnly {
		return fmt.Errorf("%w: type %d from a read-only client", agentrpc.ErrFrame, t)
	}
	switch t {
	case agentrpc.AttachStdin, agentrpc.AttachStdinEOF:
		offset, data, err := agentrpc.ParseOffset(payload)
		if err != nil {
			return err
		}
		return a.input(offset, data, t == agentrpc.AttachStdinEOF)
	case agentrpc.AttachResize:
		if len(payload) != 4 {
			return fmt.Errorf("%w: a size of %d bytes", agentrpc.ErrFrame, len(payload))
		}
		a.s.mu.Lock()
		defer a.s.mu.Unlock()
		if a.s.writer == a {
			a.s.resize(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]), false)
		}
	case agentrpc.AttachSignal:
		if sig := command.SignalByName(string(payload)); sig != 0 {
			_ = a.s.Signal(sig) // it may have ended just now, and the client hears of that
		}
	default:
		return fmt.Errorf("%w: type %d from the client", agentrpc.ErrFrame, t)
	}
	return nil
}

// input takes what the session has not had of a piece of the writer's input.
func (a *Attachment) input(offset int64, data []byte, eof bool) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer != a || s.over || s.eof {
		return nil // replaced, or too late: the client hears of it
	}
	w := a.source
	switch {
	case offset > w.received:
		return fmt.Errorf("%w: input at %d, but only %d came before", agentrpc.ErrFrame, offset, w.received)
	case eof && offset == w.received:
		s.endInput()
		return nil
	case eof:
		return nil
	}
	if had := w.received - offset; had < int64(len(data)) {
		data = data[had:]
	} else {
		return nil
	}
	if w.received+int64(len(data))-w.consumed > agentrpc.StdinWindow {
		return fmt.Errorf("%w: more than %d bytes of input that were not read", agentrpc.ErrFrame, agentrpc.StdinWindow)
	}
	w.received += int64(len(data))
	s.accept(data, w)
	return nil
}
