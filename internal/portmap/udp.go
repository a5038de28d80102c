package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A session on which nothing passes ends after udpOneWay, one that the guest
	// has answered after udpBothWays (RFC 4787, 4.3).
	udpOneWay   = 2 * time.Minute
	udpBothWays = 5 * time.Minute
	// maxSessions bounds those of one listener; udpWaiting the datagrams of one
	// session that wait for the guest, maxQueue the bytes of all of a VM.
	maxSessions = 512
	udpWaiting  = 64
	maxQueue    = 8 << 20
	maxDatagram = 64 << 10
)

// udpLimits are how long a session may be idle.
type udpLimits struct{ oneWay, bothWays time.Duration }

// udpListener tells the datagrams of its clients apart by their addresses: each
// has its own session with the guest.
type udpListener struct {
	m    *Map
	conn *net.UDPConn
	e    *entry

	mu       sync.Mutex
	sessions map[netip.AddrPort]*udpSession
}

type udpSession struct {
	boot context.Context
	in   chan []byte
	last atomic.Int64 // when something passed, in Unix nanoseconds
	// answered says that the guest has sent something.
	answered atomic.Bool
	end      context.CancelFunc

	admitted time.Time // when the client was last known to be one; needs the listener's mu
}

// serveUDP serves conn, which it owns, until the returned function is called;
// its sessions end with it, since their answers could not be sent any more.
func (m *Map) serveUDP(conn *net.UDPConn, e *entry) (stop func()) {
	l := &udpListener{m: m, conn: conn, e: e, sessions: map[netip.AddrPort]*udpSession{}}
	ctx, cancel := context.WithCancel(m.ctx)
	m.work.Go(func() { l.read(ctx) })
	return func() {
		cancel()
		_ = conn.Close()
	}
}

func (l *udpListener) read(ctx context.Context) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of an earlier answer that nobody took
		}
		l.deliver(ctx, from, buf[:n])
	}
}

// deliver leaves a datagram for its client's session; what there is no room for
// is lost, as datagrams are.
func (l *udpListener) deliver(ctx context.Context, from netip.AddrPort, data []byte) {
	boot := l.m.present()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.session(ctx, boot, from)
	if s == nil {
		return
	}
	size := int64(len(data))
	if l.m.queue.Add(size) <= maxQueue {
		select {
		case s.in <- append([]byte(nil), data...):
			return
		default:
		}
	}
	l.m.queue.Add(-size)
}

// session is the one of a client; nil when there are too many, or when the
// client is not the user's. The caller holds mu.
func (l *udpListener) session(ctx, boot context.Context, from netip.AddrPort) *udpSession {
	if s := l.sessions[from]; s != nil && s.boot == boot {
		if l.known(s, from) {
			return s
		}
		return nil
	}
	s := &udpSession{boot: boot, in: make(chan []byte, udpWaiting)}
	if len(l.sessions) >= maxSessions || !l.known(s, from) || !l.m.take() {
		return nil
	}
	l.sessions[from] = s
	ctx, s.end = context.WithCancel(ctx)
	unhook := context.AfterFunc(boot, s.end)
	l.m.work.Go(func() {
		defer l.m.done()
		defer unhook()
		defer s.end()
		l.serve(ctx, s, from)
		l.forget(s, from)
	})
	return s
}

// known reports whether a session's client is still one that may use the port,
// and ends the session of one that is not. The caller holds mu.
func (l *udpListener) known(s *udpSession, from netip.AddrPort) bool {
	now := time.Now()
	if now.Sub(s.admitted) < againAfter {
		return true
	}
	if l.m.admits(l.e, "udp", net.UDPAddrFromAddrPort(from), l.conn.LocalAddr()) {
		s.admitted = now
		return true
	}
	if s.end != nil {
		s.end()
	}
	return false
}

// forget ends a session; what waits in it is lost.
func (l *udpListener) forget(s *udpSession, from netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[from] == s {
		delete(l.sessions, from)
	}
	for {
		select {
		case d := <-s.in:
			l.m.queue.Add(int64(-len(d)))
		default:
			return
		}
	}
}

func (u udpLimits) of(s *udpSession) time.Duration {
	if s.answered.Load() {
		return u.bothWays
	}
	return u.oneWay
}

// serve carries one session until nothing has passed for a while, or ctx ends.
func (l *udpListener) serve(ctx context.Context, s *udpSession, client netip.AddrPort) {
	guest, err := l.m.dial(ctx, l.e.to)
	if err != nil {
		l.m.cfg.Log.Debug("reach the guest", "udp port", l.e.to.key.port, "err", err)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = guest.Close() })
	defer stop()
	defer func() { _ = guest.Close() }()
	s.last.Store(time.Now().UnixNano())
	idle := time.NewTimer(l.m.idle.oneWay)
	defer idle.Stop()
	var back sync.WaitGroup
	back.Go(func() {
		defer s.end()
		l.answers(s, guest, client)
	})
	defer back.Wait()
	defer s.end()
	for {
		select {
		case d := <-s.in:
			l.m.queue.Add(int64(-len(d)))
			s.last.Store(time.Now().UnixNano())
			if _, err := guest.Write(d); err != nil && errors.Is(err, net.ErrClosed) {
				return
			}
		case <-idle.C:
			left := l.m.idle.of(s) - time.Since(time.Unix(0, s.last.Load()))
			if left <= 0 {
				return
			}
			idle.Reset(left)
		case <-ctx.Done():
			return
		}
	}
}

// answers carries the guest's datagrams to the client.
func (l *udpListener) answers(s *udpSession, guest net.Conn, client netip.AddrPort) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := guest.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		known := l.known(s, client)
		l.mu.Unlock()
		if !known {
			return
		}
		s.answered.Store(true)
		s.last.Store(time.Now().UnixNano())
		if _, err := l.conn.WriteToUDPAddrPort(buf[:n], client); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
