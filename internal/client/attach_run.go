package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
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
		if err := pace.Pause(ctx, againAfter); err != nil {
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
		if v, vmErr := a.c.GetVM(ctx, a.vm); vmErr == nil && standsStill(v.State) {
			return nil
		}
		return err
	case code == fault.NotFound, code == fault.Invalid, code == fault.PermissionDenied, code == fault.Internal:
		return err
	case time.Since(since) > patience:
		return fault.Wrap(fault.Unavailable, err, "cannot attach to session %s again", a.name).
			Try(act.SessionAttach.On(a.vm, a.name))
	}
	return nil
}

// standsStill reports whether a VM may go on with its sessions: it is waited for, like a daemon that is
// away. One that is starting has just been resumed, or its sessions turn out to be lost.
func standsStill(state string) bool {
	return state == api.VMPaused || state == api.VMSuspended || state == api.VMStarting
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
	return fault.Wrap(fault.Unavailable, err, "lost the connection to the session")
}

// greet takes over where things stand.
func (a *Attachment) greet(hello agentrpc.AttachGreeting, again bool) error {
	if again && a.next != [2]int64{hello.Stdout, hello.Stderr} {
		return fault.New(fault.Internal, "the agent continues at %d and %d instead of %d", hello.Stdout, hello.Stderr, a.next)
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
