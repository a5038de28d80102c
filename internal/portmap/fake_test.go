package portmap

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is a VM's address in these tests; guestSide where its "guest" listens.
var (
	loopback  = netip.MustParseAddr("127.77.3.9")
	guestSide = netip.MustParseAddr("127.77.3.10")
)

// patience bounds any wait, on a host as busy as it may be.
const patience = 30 * time.Second

// guest stands for a VM: what is dialled in it is a listener on guestSide.
type guest struct {
	t *testing.T
	m *Map

	mu     sync.Mutex
	real   map[string]string // "tcp 0.0.0.0:80" → where the test listens
	dialed []string
}

func newGuest(t *testing.T, probe Probe) *guest {
	g := &guest{t: t, real: map[string]string{}}
	own := func(string, netip.AddrPort, netip.AddrPort) (bool, error) { return true, nil }
	g.m = New(Config{Loopback: loopback, Own: own, Dial: g.dial, Probe: probe, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(g.m.Close)
	return g
}

func (g *guest) dial(ctx context.Context, network, address string) (net.Conn, error) {
	g.mu.Lock()
	at, ok := g.real[network+" "+address]
	g.dialed = append(g.dialed, network+" "+address)
	g.mu.Unlock()
	if !ok {
		return nil, errors.New("nothing listens there")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, at)
}

func (g *guest) has(network, address, at string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.real[network+" "+address] = at
}

// serve is a TCP server of the guest; handle owns nothing of conn.
func (g *guest) serve(address string, handle func(*net.TCPConn)) {
	g.t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: guestSide.AsSlice()})
	if err != nil {
		g.t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.AcceptTCP()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	})
	g.t.Cleanup(func() {
		g.m.Close() // cuts what is open
		_ = l.Close()
		conns.Wait()
	})
	g.has("tcp", address, l.Addr().String())
}

func echo(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.CloseWrite()
}

func tcp(address string, port uint16) agentrpc.Socket {
	return agentrpc.Socket{Proto: "tcp", Address: address, Port: port}
}

func (g *guest) listening(sockets ...agentrpc.Socket) {
	g.m.Listening(agentrpc.Listening{Sockets: sockets})
}

// freePort is one that nobody has on the loopback address just now, and neither lift above it.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).AddrPort().Port()
		_ = l.Close()
		if port < 0xffff-lift {
			return port
		}
	}
	t.Skip("the host gives no low ephemeral ports")
	return 0
}

func (g *guest) ports() []monitorrpc.Port {
	g.t.Helper()
	return g.m.Ports(g.t.Context()).Ports
}

// only is the one port that there is.
func (g *guest) only() monitorrpc.Port {
	g.t.Helper()
	all := g.ports()
	if len(all) != 1 {
		g.t.Fatalf("ports are %+v; want one", all)
	}
	return all[0]
}

func (g *guest) connect(network string, p monitorrpc.Port) (net.Conn, error) {
	g.t.Helper()
	addr, err := netip.ParseAddr(p.HostAddress)
	if err != nil {
		g.t.Fatalf("port is not on the host: %+v", p)
	}
	return g.dialHost(network, netip.AddrPortFrom(addr, p.HostPort).String())
}

func (g *guest) dialHost(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn, nil
}

func (g *guest) mustConnect(network string, p monitorrpc.Port) net.Conn {
	g.t.Helper()
	conn, err := g.connect(network, p)
	if err != nil {
		g.t.Fatal(err)
	}
	return conn
}

// wantReset wants a connection to be reset, which connect may see already.
func (g *guest) wantReset(p monitorrpc.Port) {
	g.t.Helper()
	conn, err := g.connect("tcp", p)
	if err == nil {
		err = refusal(conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		g.t.Errorf("the connection's end is %v; want a reset", err)
	}
}

// refusal says something on a connection, which an echo would answer at once, and
// is the error that comes instead of an answer.
func refusal(conn net.Conn) error {
	_, err := io.WriteString(conn, "x")
	if err == nil { // else it is reset by now
		_, err = conn.Read(make([]byte, 1))
	}
	return err
}

// exchange sends text and wants it back.
func exchange(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s did not come within %v", what, patience)
		}
	}
}
