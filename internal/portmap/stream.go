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
func (m *Map) accept(l net.Listener, to target) {
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
		if !m.take() {
			reset(conn)
			continue
		}
		boot := m.present()
		m.work.Go(func() {
			defer m.done()
			m.serve(boot, conn, to)
		})
	}
}

// serve carries one connection of the host to the guest. The end of ctx cuts it.
func (m *Map) serve(ctx context.Context, host net.Conn, to target) {
	guest, err := m.dial(ctx, to)
	if err != nil {
		m.cfg.Log.Debug("reach the guest", "port", to.key.port, "err", err)
		reset(host)
		return
	}
	cut := func() {
		reset(host)
		_ = guest.Close()
	}
	stop := context.AfterFunc(ctx, cut)
	defer stop()
	join(host, guest, cut)
	_ = host.Close()
	_ = guest.Close()
}

// join carries bytes both ways until both have ended; each direction ends by
// itself. An error in one is the end of both.
func join(a, b net.Conn, cut func()) {
	var both sync.WaitGroup
	way := func(to, from net.Conn) {
		if carry(to, from) != nil {
			cut()
		}
	}
	both.Go(func() { way(a, b) })
	both.Go(func() { way(b, a) })
	both.Wait()
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
func carry(to, from net.Conn) error {
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
