package portmap

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// udpServer answers each datagram with where it came from and what it said.
func (g *guest) udpServer(address string) {
	g.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: guestSide.AsSlice()})
	if err != nil {
		g.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(append([]byte(from.String()+" "), buf[:n]...), from)
		}
	}()
	g.t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	g.has("udp", address, conn.LocalAddr().String())
}

func ask(t *testing.T, conn net.Conn, text string) (from string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxDatagram)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if _, err := fmt.Sscanf(string(buf[:n]), "%s %s", &from, &got); err != nil || got != text {
		t.Fatalf("%q was answered %q", text, buf[:n])
	}
	return from
}

func newUDP(t *testing.T) (*guest, uint16) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.udpServer(fmt.Sprintf("0.0.0.0:%d", port))
	g.listening(agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	return g, port
}

func TestUDPClientsHaveSessionsOfTheirOwn(t *testing.T) {
	g, _ := newUDP(t)
	a, b := g.mustConnect("udp", g.only()), g.mustConnect("udp", g.only())
	first := ask(t, a, "one")
	if other := ask(t, b, "two"); other == first {
		t.Error("two clients share a session")
	}
	if again := ask(t, a, "three"); again != first {
		t.Error("a client's session changes")
	}
	if got := g.m.conns.Load(); got != 2 {
		t.Errorf("%d sessions are open", got)
	}
	g.listening()
	until(t, "the sessions' end", func() bool { return g.m.conns.Load() == 0 })
	if left := g.m.queue.Load(); left != 0 {
		t.Errorf("%d bytes count as waiting", left)
	}
}

func TestIdleUDPSessionEnds(t *testing.T) {
	g := newGuest(t, nil)
	g.m.idle = udpLimits{time.Millisecond, time.Millisecond}
	port := freePort(t)
	g.udpServer(fmt.Sprintf("0.0.0.0:%d", port))
	g.listening(agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	conn := g.mustConnect("udp", g.only())
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	until(t, "a session", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.dialed) > 0
	})
	until(t, "the session's end", func() bool { return g.m.conns.Load() == 0 })
}

// RFC 4787 asks for two minutes at least.
func TestHowLongUDPSessionsAreKept(t *testing.T) {
	var s udpSession
	limits := newGuest(t, nil).m.idle
	if got := limits.of(&s); got != 2*time.Minute {
		t.Errorf("a session that was not answered: %v", got)
	}
	s.answered.Store(true)
	if got := limits.of(&s); got != 5*time.Minute {
		t.Errorf("one that went both ways: %v", got)
	}
}

func TestUDPAfterAReboot(t *testing.T) {
	g, port := newUDP(t)
	conn := g.mustConnect("udp", g.only())
	first := ask(t, conn, "one")
	g.m.Reset()
	g.listening(agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	conn = g.mustConnect("udp", g.only())
	if ask(t, conn, "two") == first {
		t.Error("the session outlives the reboot")
	}
}

// unbound is a socket that nobody sends to.
func unbound(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(guestSide, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestUDPFloodIsBounded(t *testing.T) {
	g := newGuest(t, nil)
	l := &udpListener{m: g.m, conn: unbound(t), e: newEntry(monitorrpc.SourceAuto, "udp", target{}), sessions: map[netip.AddrPort]*udpSession{}}
	boot := g.m.present()
	for i := range 2 * maxSessions {
		from := netip.AddrPortFrom(loopback, uint16(i+1))
		if i < maxSessions { // sessions whose guest never answers
			l.sessions[from] = &udpSession{boot: boot, in: make(chan []byte, udpWaiting)}
		}
		l.deliver(t.Context(), from, make([]byte, maxDatagram))
	}
	if len(l.sessions) != maxSessions || g.m.queue.Load() > maxQueue {
		t.Errorf("%d sessions, %d bytes wait", len(l.sessions), g.m.queue.Load())
	}
}
