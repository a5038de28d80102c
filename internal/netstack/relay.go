package netstack

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

const (
	copyBuffer = 64 << 10
	idleBuffer = 4 << 10
	// lookTime is how long a guest may take from its first byte until its
	// destination is told.
	lookTime = 10 * time.Second
	// maxLarge bounds the large buffers of streams: one that its reader does not
	// empty keeps its own, full.
	maxLarge = 512
)

//nolint:gochecknoglobals // caches of memory
var (
	buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
	larges  atomic.Int64 // large buffers that streams have now
)

// takeLarge gives a stream a large buffer, or nil if there are too many.
func takeLarge() *[copyBuffer]byte {
	if larges.Add(1) > maxLarge {
		larges.Add(-1)
		return nil
	}
	return buffers.Get().(*[copyBuffer]byte)
}

func putLarge(large *[copyBuffer]byte) {
	if large != nil {
		buffers.Put(large)
		larges.Add(-1)
	}
}

// relay passes bytes both ways until both have ended, each by itself, or one
// fails; then both ends are reset. It returns why it ended, or "" for the usual.
func (f *flow) relay(guest *guestConn, host net.Conn) string {
	var once sync.Once
	var reason string
	abort := func(why string) {
		once.Do(func() {
			reason = why
			guest.reset()
			_ = reset(host)
		})
	}
	f.onCut(func() { abort("") })
	var back sync.WaitGroup
	back.Go(func() {
		if err := pass(guest, host, &f.received); err != nil {
			abort("reset")
		}
	})
	err := f.gate(guest, host)
	if err == nil {
		err = pass(host, guest, &f.sent)
	}
	if err != nil {
		abort(reasonOf(err))
	}
	back.Wait()
	once.Do(func() {
		_ = guest.Close()
		_ = host.Close()
	})
	return reason
}

// reasonOf tells a connection that the policy ended from one that broke.
func reasonOf(err error) string {
	if cut, ok := errors.AsType[cutReason](err); ok {
		return string(cut)
	}
	return "reset"
}

// pass copies until src ends, and then ends dst's direction. What is idle holds a
// small buffer only.
func pass(dst io.Writer, src io.Reader, count *atomic.Int64) error {
	small := make([]byte, idleBuffer)
	var large *[copyBuffer]byte
	defer func() { putLarge(large) }()
	for {
		buf := small
		if large != nil {
			buf = large[:]
		}
		read, err := src.Read(buf)
		if read > 0 {
			count.Add(int64(read))
			if _, err := dst.Write(buf[:read]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // an end that is gone needs no end
			}
			return nil
		case err != nil:
			return err
		case large == nil && read == len(small):
			large = takeLarge()
		case large != nil && read < len(small):
			putLarge(large)
			large = nil
		}
	}
}

// gate reads what the guest says first, where the verdict depends on it, and
// passes it on once that names nothing that is denied. What the server says
// meanwhile goes to the guest: it may be the server who speaks first.
func (f *flow) gate(guest *guestConn, host io.Writer) error {
	if !f.needsHost {
		return nil
	}
	prefix := make([]byte, 0, idleBuffer)
	for {
		prefix = slices.Grow(prefix, 1)
		prefix = prefix[:len(prefix):min(cap(prefix), sniff.MaxPrefix)]
		read, err := guest.Read(prefix[len(prefix):cap(prefix)])
		prefix = prefix[:len(prefix)+read]
		ended := errors.Is(err, io.EOF)
		destination, more := sniff.Host(prefix)
		if more && ended {
			destination, more = sniff.HostAtEnd(prefix), false
		}
		switch {
		case err != nil && !ended && !errors.Is(err, os.ErrDeadlineExceeded) && !isTimeout(err):
			return err
		case ended && len(prefix) == 0:
			return nil // pass meets the end again
		case !more:
			if err := f.check(destination); err != nil {
				return err
			}
			f.sent.Add(int64(len(prefix)))
			if _, err := host.Write(prefix); err != nil {
				return err
			}
			return guest.SetReadDeadline(time.Time{})
		case err != nil || len(prefix) == sniff.MaxPrefix:
			return f.refuse(egress.Verdict{Rule: f.verdict.Rule}, "the destination was not told in the first bytes")
		case len(prefix) == read:
			if err := guest.SetReadDeadline(time.Now().Add(lookTime)); err != nil {
				return err
			}
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// check decides on what the flow says of its destination.
func (f *flow) check(destination sniff.Destination) error {
	if destination.Kind == sniff.Other {
		return nil
	}
	verdict := f.says(destination.Name)
	if verdict.Allow {
		return nil
	}
	return f.refuse(verdict, "the connection is for "+quoted(destination.Name))
}

// refuse logs a verdict on a flow that was let begin, and is the error that ends it.
func (f *flow) refuse(verdict egress.Verdict, reason string) error {
	f.n.deny(f, verdict, reason)
	return cutReason("denied: " + reason)
}

func quoted(name string) string {
	if name == "" {
		return "no name"
	}
	return name
}
