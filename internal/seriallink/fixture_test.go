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
