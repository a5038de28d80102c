package portmap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

func TestPortAppearsAndGoes(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	g.serve(address, echo)
	var kept net.Conn
	for i := range 100 {
		g.listening(tcp("127.0.0.1", port))
		p := g.only()
		want := monitorrpc.Port{
			Proto: "tcp", GuestAddress: []string{"127.0.0.1"}, GuestPort: port,
			HostAddress: loopback.String(), HostPort: port, Source: monitorrpc.SourceAuto, Listening: true, Loopback: true,
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Fatal(diff)
		}
		conn := g.mustConnect("tcp", p)
		exchange(t, conn, "hello\n")
		g.listening()
		if left := g.ports(); len(left) != 0 {
			t.Fatalf("round %d: %+v is left", i, left)
		}
		if _, err := g.connect("tcp", p); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("round %d: connecting to a port that is gone: %v", i, err)
		}
		kept = conn
	}
	exchange(t, kept, "what was open goes on")
}

func TestHalfClosedTransfersBothWays(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	data := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), func(conn *net.TCPConn) {
		in, err := io.ReadAll(conn) // until the client's half is closed
		if err != nil {
			return
		}
		sum := sha256.Sum256(in)
		_, _ = conn.Write(sum[:])
		_, _ = conn.Write(data)
	})
	g.listening(tcp("0.0.0.0", port))
	conn := g.mustConnect("tcp", g.only()).(*net.TCPConn)
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	sum := sha256.Sum256(data)
	if err != nil || !bytes.Equal(got, append(sum[:], data...)) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(sum)+len(data))
	}
	until(t, "the end of the connection", func() bool { return g.m.conns.Load() == 0 })
}

func TestUnreachableGuestResets(t *testing.T) {
	g := newGuest(t, nil)
	g.listening(tcp("0.0.0.0", freePort(t)))
	g.wantReset(g.only())
}

func TestResetOfTheGuestPassesOn(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), func(conn *net.TCPConn) { _ = conn.SetLinger(0) })
	g.listening(tcp("0.0.0.0", port))
	g.wantReset(g.only())
}

func TestRebootCutsAndForgets(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), echo)
	g.listening(tcp("0.0.0.0", port))
	conn := g.mustConnect("tcp", g.only())
	exchange(t, conn, "before")
	g.m.Reset()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the guest's boot")
	}
	if p := g.m.Ports(t.Context()); len(p.Ports) != 0 {
		t.Errorf("ports are %+v", p)
	}
	g.listening(tcp("0.0.0.0", port))
	exchange(t, g.mustConnect("tcp", g.only()), "after")
}

func TestTakenPortIsLifted(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	other, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	g.listening(tcp("0.0.0.0", port))
	p := g.only()
	if p.HostPort == port || p.HostPort == 0 || p.Problem != "" || p.GuestPort != port {
		t.Errorf("port is %+v", p)
	}
}

func TestPublishedPorts(t *testing.T) {
	g := newGuest(t, nil)
	port, host := freePort(t), freePort(t)
	for host == port {
		host = freePort(t)
	}
	blocker, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, host)))
	if err != nil {
		t.Fatal(err)
	}
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), echo)
	g.m.Publish([]vm.Publish{{Proto: "tcp", HostAddress: loopback.String(), HostPort: int(host), GuestPort: int(port)}})
	if p := g.only(); p.Problem == "" || p.HostAddress != "" || p.Listening || p.Source != monitorrpc.SourcePublished {
		t.Errorf("a taken port is %+v", p)
	}
	_ = blocker.Close()
	g.m.tryAgain()
	g.listening(tcp("0.0.0.0", port))
	p := g.only() // no second one that appears by itself
	if p.Problem != "" || p.HostPort != host || !p.Listening || p.Source != monitorrpc.SourcePublished {
		t.Errorf("port is %+v", p)
	}
	exchange(t, g.mustConnect("tcp", p), "hello")
	g.m.Reset()
	if p := g.only(); p.HostPort != host || p.Listening {
		t.Errorf("while the guest boots the port is %+v", p)
	}
}

func TestTakenPortIsTriedAgainByItself(t *testing.T) {
	g := newGuest(t, nil)
	g.m.again = 1
	host := freePort(t)
	blocker, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, host)))
	if err != nil {
		t.Fatal(err)
	}
	g.m.Publish([]vm.Publish{{Proto: "tcp", HostAddress: loopback.String(), HostPort: int(host), GuestPort: 1}})
	if g.only().Problem == "" {
		t.Error("a taken port has no problem")
	}
	_ = blocker.Close()
	until(t, "the port", func() bool { return g.only().Problem == "" })
}

func TestVMWithoutLoopback(t *testing.T) {
	g := newGuest(t, nil)
	g.m.cfg.Loopback = netip.Addr{}
	g.listening(tcp("0.0.0.0", freePort(t)))
	if p := g.only(); p.Problem == "" || p.HostAddress != "" || !p.Listening {
		t.Errorf("port is %+v", p)
	}
}

func TestNothingIsLeftOnTheHost(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("0.0.0.0:%d", port), echo)
	g.listening(tcp("0.0.0.0", port), agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	path := t.TempDir() + "/s"
	if _, err := g.m.Forward(monitorrpc.Forward{Proto: "unix", Host: path, Guest: "80"}); err != nil {
		t.Fatal(err)
	}
	conn := g.mustConnect("tcp", g.ports()[0])
	exchange(t, conn, "hello")
	g.m.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the map")
	}
	for _, network := range []string{"tcp", "udp"} {
		at := netip.AddrPortFrom(loopback, port)
		var err error
		if network == "tcp" {
			var l *net.TCPListener
			if l, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at)); err == nil {
				_ = l.Close()
			}
		} else {
			var l *net.UDPConn
			if l, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at)); err == nil {
				_ = l.Close()
			}
		}
		if err != nil {
			t.Errorf("%s: %v", network, err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	g.listening(tcp("0.0.0.0", port)) // harmless
	if _, err := g.m.Forward(monitorrpc.Forward{Proto: "tcp", Host: "127.77.3.9:0", Guest: "80"}); err == nil {
		t.Error("a forward was made after the end")
	}
}
