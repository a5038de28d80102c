package portmap

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

func TestConnectionsAreBounded(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), echo)
	g.m.most = 2
	g.listening(tcp("0.0.0.0", port))
	p := g.only()
	for range 2 {
		exchange(t, g.mustConnect("tcp", p), "one of two")
	}
	g.wantReset(p)
}

func TestListenersAreBounded(t *testing.T) {
	g := newGuest(t, nil)
	var sockets []agentrpc.Socket
	for i := range maxListeners + 10 {
		sockets = append(sockets, tcp("0.0.0.0", uint16(i+1)))
	}
	g.listening(sockets...)
	live := 0
	for _, p := range g.ports() {
		if p.Problem == "" {
			live++
		}
	}
	if live != maxAuto {
		t.Errorf("%d ports are on the host", live)
	}
	f, err := g.m.Forward(monitorrpc.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "1"})
	if err != nil {
		t.Fatalf("the guest leaves none for the user: %v", err)
	}
	if err := g.m.Remove(f); err != nil {
		t.Error(err)
	}
	g.listening(sockets[:1]...)
	if g.m.live != 1 {
		t.Errorf("%d ports count as on the host", g.m.live)
	}
}

func TestAGuestThatChangesItsPortsPutsNothingOff(t *testing.T) {
	g := newGuest(t, nil)
	g.m.again = 200 * time.Millisecond
	host := freePort(t)
	blocker, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, host)))
	if err != nil {
		t.Fatal(err)
	}
	g.m.Publish([]vm.Publish{{Proto: "tcp", HostAddress: loopback.String(), HostPort: int(host), GuestPort: 1}})
	_ = blocker.Close()
	until(t, "the port", func() bool {
		g.listening()
		return g.only().Problem == ""
	})
}

func TestManyConnectionsAtOnce(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), echo)
	g.listening(tcp("0.0.0.0", port))
	p := g.only()
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			conn, err := g.connect("tcp", p)
			if err != nil {
				t.Error(err)
				return
			}
			text := fmt.Sprintf("client %d", i)
			if _, err := io.WriteString(conn, text); err != nil {
				t.Error(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || string(got) != text {
				t.Errorf("%s got %q, %v", text, got, err)
			}
		})
	}
	clients.Wait()
}
