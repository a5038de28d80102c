package netstack

import (
	"errors"
	"io"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
	"github.com/bangervm/banger/internal/stream"
)

// follower looks at what a guest says behind what told its destination first.
type follower interface {
	Next(more []byte) (pass []byte, said *egress.Said)
	Over() bool
	Held() int
}

// follow is what follows a connection that begins so, and how much of that is told
// already; nil: nothing does.
func follow(prefix []byte) (next follower, first int) {
	if retry, first := sniff.NewRetry(prefix); retry != nil {
		return retry, first
	}
	if requests, first := sniff.NewRequests(prefix); requests != nil {
		return requests, first
	}
	return nil, 0
}

// rest passes on what was looked at, and of TLS what follows until no second
// ClientHello can, of HTTP each request.
func (h *hearing) rest(host io.Writer) error {
	next, first := follow(h.prefix)
	if next == nil {
		return h.pass(host, h.prefix)
	}
	if err := h.pass(host, h.prefix[:first]); err != nil {
		return err
	}
	more, buf := h.prefix[first:], make([]byte, stream.SmallBuffer)
	waits, looks := false, 0
	for {
		passed, err := h.judge(next, more, host)
		if err != nil {
			return err
		}
		if next.Over() {
			return nil
		}
		if looks++; passed > 0 || next.Held() == 0 {
			waits, looks = false, 0
			if err := h.guest.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
		}
		if !h.hold(int64(next.Held())) || looks > maxLooks {
			return h.late()
		}
		if next.Held() > 0 && !waits {
			waits = true
			if err := h.guest.SetReadDeadline(time.Now().Add(h.f.n.lookTime)); err != nil {
				return err
			}
		}
		read, err := h.guest.Read(buf)
		if more = buf[:read]; err != nil && read == 0 {
			return h.end(err)
		}
	}
}

// judge passes on what follows as far as it may go, and counts it.
func (h *hearing) judge(next follower, more []byte, host io.Writer) (passed int, err error) {
	for {
		pass, said := next.Next(more)
		if said != nil {
			if err := h.f.check(*said); err != nil {
				return passed, err
			}
		}
		if err := h.pass(host, pass); err != nil {
			return passed, err
		}
		if passed += len(pass); said == nil {
			return passed, nil
		}
		more = nil
	}
}

// end is what becomes of the connection when the guest says no more behind what
// told its destination.
func (h *hearing) end(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return nil // pass meets it again
	case isTimeout(err):
		return h.late()
	default:
		return err
	}
}
