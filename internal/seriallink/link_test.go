package seriallink_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/seriallink"
)

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
