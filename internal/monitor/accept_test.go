package monitor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// poorListener has no descriptors at first.
type poorListener struct {
	net.Listener
	mu    sync.Mutex
	fails []error
}

func (l *poorListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fails) == 0 {
		return l.Listener.Accept()
	}
	err := l.fails[0]
	l.fails = l.fails[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func poor(t *testing.T, fails ...error) *poorListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &poorListener{Listener: l, fails: fails}
}

// A guest can use up the monitor's descriptors: its agent and its neighbours get
// in again once there are some.
func TestListenersOutliveALackOfDescriptors(t *testing.T) {
	for name, serve := range map[string]func(ctx context.Context, l net.Listener){
		"neighbours": func(ctx context.Context, l net.Listener) {
			s := &neighbourSocket{}
			s.accept(ctx, l, newFakeCard(), slog.New(slog.DiscardHandler))
			s.conns.Wait()
		},
		"agents": func(ctx context.Context, l net.Listener) {
			to := make(chan agentInput, 8)
			serveAgents(ctx, l, to, slog.New(slog.DiscardHandler))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := poor(t, syscall.EMFILE, syscall.ENFILE)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				serve(ctx, l)
			}()
			conn, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // at once
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = conn.Write([]byte("no message\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.ReadAll(conn) // until it was served
			_ = conn.Close()
			select {
			case <-done:
				t.Error("it serves nobody any more")
			default:
			}
			cancel()
			_ = l.Close()
			<-done
		})
	}
}

func TestAListenerThatIsBrokenEnds(t *testing.T) {
	l := poor(t, syscall.EBADF)
	if _, err := acceptNext(t.Context(), l, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("got %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	l.fails = []error{syscall.EMFILE}
	if _, err := acceptNext(over, l, slog.New(slog.DiscardHandler)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
