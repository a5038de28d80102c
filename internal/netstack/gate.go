package netstack

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
	"github.com/bangervm/banger/internal/stream"
)

const (
	// lookTime is how long a guest may take from its first byte until its
	// destination is told, and a server to speak first where that matters.
	lookTime = 10 * time.Second
	// maxLooks is in how many pieces it may be told, as each is looked at with all
	// before it.
	maxLooks = 2048
	// maxHeld bounds, in bytes, what all of a guest's connections hold back to be
	// looked at, beyond a small buffer each.
	maxHeld = 32 << 20
)

// hearing holds back what a guest says until its destination is told.
type hearing struct {
	f     *flow
	guest interface {
		io.Reader
		SetReadDeadline(at time.Time) error
	}
	prefix []byte
	counts int64 // of f.n.held
}

// gate reads what the guest says first, where the verdict depends on it, and
// passes it on once that names nothing that is denied. What the server says
// meanwhile goes to the guest: it may be the server who speaks first.
func (f *flow) gate(guest *guestConn, host io.Writer) error {
	if !f.needsHost {
		return nil
	}
	h := &hearing{f: f, guest: guest, prefix: make([]byte, 0, stream.SmallBuffer)}
	defer h.drop()
	said, err := h.first()
	if err != nil || len(h.prefix) == 0 {
		return err // an end without a word: pass meets it again
	}
	if err := f.check(said); err != nil {
		return err
	}
	if err := h.rest(host); err != nil {
		return err
	}
	return guest.SetReadDeadline(time.Time{})
}

// first reads until the destination is told.
func (h *hearing) first() (egress.Said, error) {
	for range maxLooks {
		if len(h.prefix) == cap(h.prefix) && !h.grow() {
			return egress.Said{}, h.f.refuse(egress.Verdict{Rule: egress.GroundUnclear}, "too many connections have not told their destination")
		}
		read, err := h.guest.Read(h.prefix[len(h.prefix):cap(h.prefix)])
		h.prefix = h.prefix[:len(h.prefix)+read]
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended && !isTimeout(err) {
			return egress.Said{}, err
		}
		said, more := sniff.First(h.prefix, h.f.wasGreeted())
		switch {
		case ended:
			return sniff.FirstAtEnd(h.prefix, h.f.wasGreeted()), nil
		case !more:
			return said, nil
		case err != nil:
			return egress.Said{}, h.late()
		case len(h.prefix) == read:
			if err := h.guest.SetReadDeadline(time.Now().Add(h.f.n.lookTime)); err != nil {
				return egress.Said{}, err
			}
		}
	}
	return egress.Said{}, h.late()
}

func (h *hearing) late() error {
	return h.f.refuse(egress.Verdict{Rule: egress.GroundUnclear}, "the first bytes do not tell the destination")
}

// grow makes room for more to look at, if all of the guest's connections leave some.
func (h *hearing) grow() bool {
	size := min(2*cap(h.prefix), sniff.MaxPrefix)
	if !h.hold(int64(size)) {
		return false
	}
	h.prefix = append(make([]byte, 0, size), h.prefix...)
	return true
}

// hold counts that so many bytes are held back.
func (h *hearing) hold(bytes int64) bool {
	more := max(bytes-stream.SmallBuffer, 0) - h.counts
	if h.f.n.held.Add(more) > maxHeld && more > 0 {
		h.f.n.held.Add(-more)
		return false
	}
	h.counts += more
	return true
}

func (h *hearing) drop() {
	h.prefix = nil
	_ = h.hold(0)
}

func (h *hearing) pass(host io.Writer, bytes []byte) error {
	if len(bytes) == 0 {
		return nil
	}
	h.f.sent.Add(int64(len(bytes)))
	_, err := host.Write(bytes)
	return err
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout()
}

// check decides on what the flow says of its destination.
func (f *flow) check(said egress.Said) error {
	verdict := f.says(said)
	if !verdict.Allow && f.couldGreet(said) && f.awaitGreeting() {
		said.Speech = egress.Greeted
		verdict = f.says(said)
	}
	if verdict.Allow {
		return nil
	}
	return f.refuse(verdict, reasonOfDenial(verdict, said))
}

func reasonOfDenial(verdict egress.Verdict, said egress.Said) string {
	switch {
	case said.Why != "":
		return said.Why
	case verdict.Rule == egress.GroundUnclear:
		return "the connection is not TLS, HTTP or another protocol that is allowed here"
	case len(said.Hosts) == 0:
		return "the connection names no host"
	default:
		return "the connection is for " + strings.Join(said.Hosts, " and ")
	}
}

// refuse logs a verdict on a flow that was let begin, and is the error that ends it.
func (f *flow) refuse(verdict egress.Verdict, reason string) error {
	f.n.deny(f, verdict, reason)
	return cutReason("denied: " + reason)
}
