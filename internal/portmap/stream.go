package portmap

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/stream"
)

// acceptPause is how long a listener rests when the host is out of something.
const acceptPause = 100 * time.Millisecond

// accept serves a listener until it is closed.
func (m *Map) accept(l net.Listener, e *entry) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			m.cfg.Log.Warn("accept", "address", l.Addr().String(), "err", err)
			if pace.Pause(m.ctx, acceptPause) != nil {
				return
			}
			continue
		}
		if !m.admits(e, e.network, conn.RemoteAddr(), conn.LocalAddr()) || !m.take() {
			reset(conn)
			continue
		}
		boot := m.present()
		m.work.Go(func() {
			defer m.done()
			m.serve(boot, conn, e)
		})
	}
}

// serve carries one connection of the host to the guest. The end of ctx cuts it.
func (m *Map) serve(ctx context.Context, host net.Conn, e *entry) {
	guest, err := m.dial(ctx, e.to)
	if err != nil {
		m.cfg.Log.Debug("reach the guest", "port", e.to.key.port, "err", err)
		reset(host)
		return
	}
	toGuest := func() error {
		err := stream.Copy(guest, m.screened(e, host))
		if refused, ok := errors.AsType[*misdirectedError](err); ok {
			misdirected(ctx, host, refused)
		}
		return err
	}
	toHost := func() error { return stream.Copy(host, guest) }
	_ = stream.Both(ctx, toGuest, toHost, func(error) { // whose end both sides see
		reset(host)
		_ = guest.Close()
	})
	_ = host.Close()
	_ = guest.Close()
}

// reset closes a connection so that the peer sees that it failed, where the
// transport can say so.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
