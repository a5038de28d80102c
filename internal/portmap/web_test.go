package portmap

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestWebServersAreAskedOnce(t *testing.T) {
	var asked atomic.Int32
	g := newGuest(t, func(context.Context, time.Duration, func(context.Context) (net.Conn, error)) (string, bool) {
		asked.Add(1)
		return "https", true
	})
	port := freePort(t)
	for range 3 {
		g.listening(tcp("0.0.0.0", port), agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
		all := g.ports()
		if all[0].Scheme != "https" || all[1].Scheme != "" || asked.Load() != 1 {
			t.Fatalf("ports are %+v, after %d probes", all, asked.Load())
		}
	}
	other := tcp("0.0.0.0", port)
	other.PID = 7
	g.listening(other)
	if g.ports(); asked.Load() != 2 {
		t.Errorf("another process was asked %d times", asked.Load()-1)
	}
}

func TestUnsureProbesAreTriedAgainButNotForever(t *testing.T) {
	var asked, last atomic.Int64
	g := newGuest(t, func(_ context.Context, limit time.Duration, _ func(context.Context) (net.Conn, error)) (string, bool) {
		asked.Add(1)
		if before := last.Swap(int64(limit)); int64(limit) <= before {
			t.Errorf("the limit is %s, after %s", limit, time.Duration(before))
		}
		return "", false
	})
	g.listening(tcp("0.0.0.0", freePort(t)))
	for range 3 * probeTries {
		g.ports()
	}
	if asked.Load() != probeTries {
		t.Errorf("it was asked %d times", asked.Load())
	}
}

func TestAnswerDoesNotWaitForASlowServer(t *testing.T) {
	g := newGuest(t, func(ctx context.Context, _ time.Duration, _ func(context.Context) (net.Conn, error)) (string, bool) {
		<-ctx.Done() // the end of the guest's boot
		return "http", true
	})
	g.listening(tcp("0.0.0.0", freePort(t)))
	if p := g.only(); p.Scheme != "" {
		t.Errorf("port is %+v", p)
	}
	g.m.Reset()
}

func TestProbesReachTheGuest(t *testing.T) {
	g := newGuest(t, func(ctx context.Context, _ time.Duration, dial func(context.Context) (net.Conn, error)) (string, bool) {
		conn, err := dial(ctx)
		if err != nil {
			return "", false
		}
		return "http", conn.Close() == nil
	})
	g.serve("127.0.0.1:8080", echo)
	g.listening(tcp("127.0.0.1", 8080))
	if p := g.only(); p.Scheme != "http" {
		t.Errorf("port is %+v", p)
	}
}
