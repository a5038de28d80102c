package cli

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWhenUnread(t *testing.T) {
	pipe := func(t *testing.T) (out *os.File, end func() error) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return w, r.Close
	}
	socket := func(t *testing.T) (out *os.File, end func() error) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fds[0]), "socket"), func() error { return unix.Close(fds[1]) }
	}
	tcp := func(t *testing.T) (out *os.File, end func() error) {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		here, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		there, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		out, err = here.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = here.Close(), l.Close()
		return out, func() error { _ = there.(*net.TCPConn).SetLinger(0); return there.Close() }
	}
	file := func(t *testing.T) (out *os.File, end func() error) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		return f, func() error { return nil }
	}
	null := func(t *testing.T) (out *os.File, end func() error) {
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f, func() error { return nil }
	}
	for name, c := range map[string]struct {
		open   func(*testing.T) (*os.File, func() error)
		called bool
	}{"pipe": {pipe, true}, "socket pair": {socket, true}, "TCP": {tcp, true}, "file": {file, false}, "null": {null, false}} {
		t.Run(name, func(t *testing.T) {
			out, end := c.open(t)
			defer func() { _ = out.Close() }()
			called := make(chan struct{})
			stop, err := whenUnread(out, func() { close(called) })
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-called:
				t.Fatal("called while it is read")
			default:
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if c.called {
				select {
				case <-called:
				case <-time.After(10 * time.Second):
					t.Fatal("not called")
				}
			}
			stop()
			select {
			case <-called:
				if !c.called {
					t.Error("called")
				}
			default:
			}
		})
	}
}
