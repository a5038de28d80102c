package seriallink_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/seriallink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// port is a guest's port: it reads end of file while no host is there.
type port struct {
	mu   sync.Mutex
	conn net.Conn
}

func (p *port) get() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

func (p *port) Read(b []byte) (int, error) {
	c := p.get()
	if c == nil {
		return 0, io.EOF
	}
	n, err := c.Read(b)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF // a socket's way; a port has none
	}
	return n, err
}

func (p *port) Write(b []byte) (int, error) {
	c := p.get()
	if c == nil {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Write(b)
}

func (p *port) SetReadDeadline(t time.Time) error {
	if c := p.get(); c != nil {
		return c.SetReadDeadline(t)
	}
	return nil
}

func (p *port) SetWriteDeadline(t time.Time) error {
	if c := p.get(); c != nil {
		return c.SetWriteDeadline(t)
	}
	return nil
}

// attach gives the port a new host, and returns the host's end.
func (p *port) attach(t *testing.T) net.Conn {
	t.Helper()
	host, guest := pair(t)
	p.mu.Lock()
	p.conn = guest
	p.mu.Unlock()
	return host
}

func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conns[i].Close() })
	}
	return conns[0], conns[1]
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// echo serves an echo on port 7, and refuses every other.
func echo(_ context.Context, p uint32) func(net.Conn) {
	if p != 7 {
		return nil
	}
	return func(c net.Conn) {
		_, _ = io.Copy(c, c)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}
}

// serveGuest keeps an agent on the port until the test ends.
func serveGuest(t *testing.T, p seriallink.Port, h seriallink.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			l, err := seriallink.Guest(ctx, p)
			if err != nil {
				continue
			}
			stop := context.AfterFunc(ctx, func() { _ = l.Close() })
			_ = l.Serve(ctx, h)
			stop()
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func host(t *testing.T, p *port) *seriallink.Link {
	t.Helper()
	l, err := seriallink.Host(within(t), p.attach(t))
	if err != nil {
		t.Fatalf("Host: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func roundTrip(t *testing.T, l *seriallink.Link, data []byte) {
	t.Helper()
	c, err := l.Dial(within(t), 7)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer func() { _ = c.Close() }()
	go func() {
		_, _ = c.Write(data)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("echo of %d bytes returned %d bytes, %v", len(data), len(got), err)
	}
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStreamsBothWaysWithHalfClose(t *testing.T) {
	p := &port{}
	serveGuest(t, p, echo)
	l := host(t, p)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { roundTrip(t, l, random(t, 700_000)) })
	}
	wg.Wait()
}

func TestDialToAPortThatNobodyServes(t *testing.T) {
	p := &port{}
	serveGuest(t, p, echo)
	if c, err := host(t, p).Dial(within(t), 8); !errors.Is(err, seriallink.ErrRefused) {
		t.Fatalf("Dial(8) = %v, %v; want ErrRefused", c, err)
	}
}

func TestGuestDialsHost(t *testing.T) {
	p := &port{}
	hostEnd := p.attach(t)
	links := make(chan *seriallink.Link, 1)
	go func() {
		l, err := seriallink.Guest(within(t), p)
		if err != nil {
			t.Errorf("Guest: %v", err)
		}
		links <- l
	}()
	h, err := seriallink.Host(within(t), hostEnd)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(t.Context(), echo) }()
	g := <-links
	roundTrip(t, g, []byte("hello"))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, seriallink.ErrClosed) {
		t.Errorf("Serve = %v, want ErrClosed", err)
	}
	<-g.Done()
	if _, err := g.Dial(within(t), 7); !errors.Is(err, seriallink.ErrClosed) {
		t.Errorf("Dial on a closed link = %v, want ErrClosed", err)
	}
}

func TestHostComesBackAgainAndAgain(t *testing.T) {
	p := &port{}
	serveGuest(t, p, echo)
	for range 20 {
		l := host(t, p)
		roundTrip(t, l, random(t, 5_000))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A reconnect that the guest does not notice: half a frame of the old session
// is joined to the new connection's bytes.
func TestReconnectInTheMiddleOfAFrame(t *testing.T) {
	p := &port{}
	serveGuest(t, p, echo)
	guestSide := &splice{}
	oldHost := p.attach(t)
	l, err := seriallink.Host(within(t), guestSide.wrap(oldHost))
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Dial(within(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	guestSide.cutAfter(20_000)
	_, _ = c.Write(random(t, 60_000))
	_ = l.Close()
	// The same line, never closed from the guest's view.
	l2, err := seriallink.Host(within(t), oldHost)
	if err != nil {
		t.Fatalf("Host on a line with half a frame in it: %v", err)
	}
	t.Cleanup(func() { _ = l2.Close() })
	roundTrip(t, l2, random(t, 100_000))
}

// splice passes bytes until it is cut; closing it does not close the line.
type splice struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (s *splice) wrap(c net.Conn) *splice { s.Conn = c; s.left = 1 << 30; return s }
func (s *splice) cutAfter(n int)          { s.mu.Lock(); s.left = n; s.mu.Unlock() }

func (s *splice) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.Conn.Write(p[:min(len(p), s.left)])
	s.left -= n
	if err == nil && n < len(p) {
		err = io.ErrClosedPipe
	}
	return n, err
}

func (s *splice) Close() error {
	return s.SetReadDeadline(time.Unix(1, 0))
}

func (s *splice) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		_ = s.SetReadDeadline(time.Time{})
	}
	return n, err
}

func TestHostGivesUpWithItsContext(t *testing.T) {
	a, _ := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := seriallink.Host(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Host without a guest = %v, want DeadlineExceeded", err)
	}
}

func TestGuestGivesUpWithItsContext(t *testing.T) {
	for name, p := range map[string]*port{"no host": {}, "silent host": {}} {
		t.Run(name, func(t *testing.T) {
			if name == "silent host" {
				p.attach(t)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if _, err := seriallink.Guest(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Guest = %v, want DeadlineExceeded", err)
			}
		})
	}
}

// A stuck line (a paused guest) must not hold a dial beyond its context.
func TestDialOnAStuckLineEndsWithItsContext(t *testing.T) {
	p := &port{}
	serveGuest(t, p, echo)
	hostEnd := p.attach(t)
	stuck := &stuckWriter{Conn: hostEnd, free: make(chan struct{})}
	l, err := seriallink.Host(within(t), stuck)
	if err != nil {
		t.Fatal(err)
	}
	stuck.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := l.Dial(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial = %v, want DeadlineExceeded", err)
	}
	close(stuck.free)
	roundTrip(t, l, []byte("awake again"))
	_ = l.Close()
}

type stuckWriter struct {
	net.Conn
	mu   sync.Mutex
	held bool
	free chan struct{}
}

func (s *stuckWriter) stop() { s.mu.Lock(); s.held = true; s.mu.Unlock() }

func (s *stuckWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held {
		<-s.free
	}
	return s.Conn.Write(p)
}
