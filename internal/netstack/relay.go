package netstack

import (
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/bangervm/banger/internal/stream"
)

// relay passes bytes both ways until both have ended, each by itself, or one
// fails; then both ends are reset. It returns why it ended, or "" for the usual.
func (f *flow) relay(guest *guestConn, host net.Conn) string {
	toGuest := func() error {
		return stream.Copy(guest, &counted{&greeter{Reader: host, f: f}, &f.received})
	}
	toHost := func() error {
		if err := f.gate(guest, host); err != nil {
			return err
		}
		return stream.Copy(host, &counted{f.listened(guest), &f.sent})
	}
	err := stream.Both(f.ctx, toHost, toGuest, func(error) {
		guest.reset()
		_ = reset(host)
	})
	_ = guest.Close()
	_ = host.Close()
	return f.reasonOf(err)
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	count *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	read, err := c.Reader.Read(p)
	c.count.Add(int64(read))
	return read, err
}

// listened is the guest's connection, overheard if nobody looked at it.
func (f *flow) listened(guest io.Reader) io.Reader {
	if f.needsHost {
		return guest
	}
	return &overhear{Reader: guest, f: f}
}

// reasonOf tells a connection that the policy ended from one that broke. What cut
// the flow is known without it.
func (f *flow) reasonOf(err error) string {
	switch denied, ok := errors.AsType[cutReason](err); {
	case ok:
		return string(denied)
	case err == nil, f.ctx.Err() != nil:
		return ""
	default:
		return "reset"
	}
}
