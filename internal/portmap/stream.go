package portmap

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// An idle direction holds a small buffer, a busy one borrows a large one.
	smallBuffer = 4 << 10
	largeBuffer = 128 << 10
	// acceptPause is how long a listener rests when the host is out of something.
	acceptPause = 100 * time.Millisecond
)

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
			pause := time.NewTimer(acceptPause)
			select {
			case <-pause.C:
				continue
			case <-m.ctx.Done():
				pause.Stop()
				return
			}
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
	cut := func() {
		reset(host)
		_ = guest.Close()
	}
	stop := context.AfterFunc(ctx, cut)
	defer stop()
	// Each direction ends by itself; an error in one is the end of both.
	var both sync.WaitGroup
	both.Go(func() {
		if carry(host, guest) != nil {
			cut()
		}
	})
	both.Go(func() {
		err := carry(guest, m.screened(e, host))
		if refused, ok := errors.AsType[*misdirectedError](err); ok {
			misdirected(ctx, host, refused)
		}
		if err != nil {
			cut()
		}
	})
	both.Wait()
	_ = host.Close()
	_ = guest.Close()
}

// bufferPool keeps the large buffers that no connection has borrowed.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *[largeBuffer]byte {
	if b, ok := p.pool.Get().(*[largeBuffer]byte); ok {
		return b
	}
	return new([largeBuffer]byte)
}

var buffers bufferPool //nolint:gochecknoglobals // a pool is of the process

// carry copies until from's end, which it passes on. Its own loop, since
// io.Copy would hold a large buffer for each idle connection.
func carry(to net.Conn, from io.Reader) error {
	small := make([]byte, smallBuffer)
	buf := small
	var large *[largeBuffer]byte
	giveBack := func() {
		if large != nil {
			buffers.pool.Put(large)
			large, buf = nil, small
		}
	}
	defer giveBack()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return closeWrite(to)
		case err != nil:
			return err
		case large == nil && n == len(buf):
			large = buffers.get()
			buf = large[:]
		case large != nil && n <= smallBuffer:
			giveBack()
		}
	}
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// reset closes a connection so that the peer sees that it failed, where the
// transport can say so.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
