package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// stay keeps a connection until the attachment's end.
func (a *Attachment) stay(ctx context.Context) (agentrpc.AttachEnding, error) {
	var broken time.Time // since when there is none
	again := false
	for {
		end, greeted, err := a.once(ctx, again)
		switch {
		case err == nil:
			return end, nil
		case ctx.Err() != nil:
			return end, a.c.transportError(ctx, ctx.Err())
		case !again && !greeted:
			return end, err // never attached: the refusal stands
		case greeted:
			broken, again = time.Now(), true
		}
		if fatal := a.fatal(ctx, err, broken); fatal != nil {
			return end, fatal
		}
		if greeted && a.opts.Broken != nil {
			a.opts.Broken(err)
		}
		if err := pause(ctx, againAfter); err != nil {
			return end, a.c.transportError(ctx, err)
		}
	}
}

// fatal is the error that ends an attachment whose connection broke, or nil
// when another is to be tried.
func (a *Attachment) fatal(ctx context.Context, err error, since time.Time) error {
	if bad, ok := errors.AsType[*outputFailure](err); ok {
		return bad.cause
	}
	code := fault.CodeOf(err)
	switch {
	case code == fault.Conflict:
		// A paused VM is waited for, like a daemon that is away.
		if v, vmErr := a.c.GetVM(ctx, a.vm); vmErr == nil && v.State == "paused" {
			return nil
		}
		return err
	case code == fault.NotFound, code == fault.Invalid, code == fault.PermissionDenied, code == fault.Internal:
		return err
	case time.Since(since) > patience:
		return fault.Wrap(fault.Unavailable, err, "cannot attach to session %s again", a.name).
			WithHint("banger vm session attach %s %s", a.vm, a.name)
	}
	return nil
}

// once makes one connection and serves it to its end. Without an error the
// attachment is over.
func (a *Attachment) once(ctx context.Context, again bool) (end agentrpc.AttachEnding, greeted bool, err error) {
	stream, err := a.connect(ctx, again)
	if err != nil {
		return end, false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	defer func() { _ = stream.Close() }()
	in := bufio.NewReaderSize(stream, 64<<10)
	t, payload, err := agentrpc.ReadAttachFrame(in, nil)
	if err != nil {
		return end, false, broke(err)
	}
	var hello agentrpc.AttachGreeting
	if err := json.Unmarshal(payload, &hello); err != nil || t != agentrpc.AttachHello {
		return end, false, fault.New(fault.Internal, "the agent's greeting is malformed")
	}
	if err := a.greet(hello, again); err != nil {
		return end, false, err
	}
	done := make(chan struct{})
	if !a.opts.ReadOnly {
		out := &outgoing{w: stream, sent: hello.Stdin, eof: hello.StdinClosed, window: hello.StdinWindow}
		a.setOut(out)
		go func() {
			defer close(done)
			a.send(out)
		}()
		defer func() {
			a.setOut(nil)
			_ = stream.Close()
			<-done
		}()
	}
	end, err = a.receive(in)
	return end, true, err
}

func broke(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the connection to the session broke")
}

// greet takes over where things stand.
func (a *Attachment) greet(hello agentrpc.AttachGreeting, again bool) error {
	if again && a.next != [2]int64{hello.Stdout, hello.Stderr} {
		return fault.New(fault.Internal, "the agent goes on at %d and %d instead of %d", hello.Stdout, hello.Stderr, a.next)
	}
	a.next = [2]int64{hello.Stdout, hello.Stderr}
	a.mu.Lock()
	if end := a.acked + int64(len(a.input)); !a.opts.ReadOnly && (hello.Stdin < a.acked || hello.Stdin > end) {
		a.mu.Unlock()
		return fault.New(fault.Internal, "the agent has %d bytes of input, of %d to %d", hello.Stdin, a.acked, end)
	}
	a.mu.Unlock()
	if a.opts.Greeted != nil {
		a.opts.Greeted(hello)
	}
	return nil
}

func (a *Attachment) setOut(out *outgoing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out = out
	a.broadcast()
}

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
				return end, fault.Wrap(fault.Internal, err, "the agent broke the protocol of attachments")
			}
			return end, broke(err)
		}
		buf = payload[:cap(payload)]
		if t == agentrpc.AttachEnd {
			if err := json.Unmarshal(payload, &end); err != nil {
				return end, fault.Wrap(fault.Internal, err, "the agent broke the protocol of attachments")
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
			return fault.Wrap(fault.Internal, err, "the agent broke the protocol of attachments")
		}
		a.next[stream] += int64(len(data))
		if err := a.opts.Output(stream, data); err != nil {
			return &outputFailure{cause: err}
		}
	case agentrpc.AttachLost:
		stream, from, to, err := agentrpc.ParseLost(payload)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the agent broke the protocol of attachments")
		}
		a.next[stream] = to
		if a.opts.Lost != nil {
			a.opts.Lost(stream, to-from)
		}
	case agentrpc.AttachAck:
		offset, _, err := agentrpc.ParseOffset(payload)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the agent broke the protocol of attachments")
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
