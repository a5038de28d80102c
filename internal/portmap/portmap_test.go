package portmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

func TestOnePortOfSeveralBinds(t *testing.T) {
	owner := agentrpc.Owner{PID: 7, Process: "nginx", Command: "nginx -g daemon"}
	for _, tt := range []struct {
		name    string
		sockets []agentrpc.Socket
		want    []string
		dial    string
	}{
		{"both families by two sockets", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80, V6Only: true}, {Proto: "tcp", Address: "0.0.0.0", Port: 80, Owner: owner}}, []string{"0.0.0.0", "::"}, "0.0.0.0:80"},
		{"both families by one", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80}}, []string{"::"}, "0.0.0.0:80"},
		{"IPv6 alone", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80, V6Only: true}}, []string{"::"}, "[::1]:80"},
		{"loopbacks", []agentrpc.Socket{tcp("::1", 80), tcp("127.0.0.1", 80)}, []string{"127.0.0.1", "::1"}, "127.0.0.1:80"},
		{"a bridge and the loopback", []agentrpc.Socket{tcp("172.17.0.1", 80), tcp("127.0.0.1", 80)}, []string{"127.0.0.1", "172.17.0.1"}, "127.0.0.1:80"},
		{"the same many times", []agentrpc.Socket{tcp("0.0.0.0", 80), tcp("0.0.0.0", 80)}, []string{"0.0.0.0"}, "0.0.0.0:80"},
		{"IPv4 in IPv6", []agentrpc.Socket{tcp("::ffff:127.0.0.1", 80)}, []string{"127.0.0.1"}, "127.0.0.1:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := merge(agentrpc.Listening{Sockets: tt.sockets})
			one := got[key{"tcp", 80}]
			if len(got) != 1 || !slices.Equal(one.bound, tt.want) || one.dial.String() != tt.dial {
				t.Errorf("got %+v; want %v, dialled at %s", got, tt.want, tt.dial)
			}
		})
	}
}

func TestGuestsNonsenseIsLeftOut(t *testing.T) {
	bad := []agentrpc.Socket{
		tcp("", 80), tcp("example.org", 80), tcp("fe80::1%eth0", 80), tcp("0.0.0.0", 0), {Proto: "sctp", Address: "::", Port: 80},
	}
	if got := merge(agentrpc.Listening{Sockets: bad}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	many := make([]agentrpc.Socket, 3*agentrpc.MaxListening)
	for i := range many {
		many[i] = tcp("0.0.0.0", uint16(i+1))
	}
	if got := len(merge(agentrpc.Listening{Sockets: many})); got != agentrpc.MaxListening {
		t.Errorf("%d sockets were taken", got)
	}
	long := merge(agentrpc.Listening{Sockets: []agentrpc.Socket{{
		Proto: "tcp", Address: "::", Port: 1,
		Owner: agentrpc.Owner{PID: 1, Process: strings.Repeat("é\x1b", 100), Command: strings.Repeat("\u009b0m\xff", 1000) + "é"},
	}}})[key{"tcp", 1}].owner
	if len(long.Process) > maxWord || !utf8.ValidString(long.Process) || strings.ContainsAny(long.Process+long.Command, "\x1b\u009b") {
		t.Errorf("owner is %q, %q", long.Process, long.Command)
	}
}

func FuzzListening(f *testing.F) {
	f.Add([]byte(`{"sockets":[{"proto":"tcp","address":"::","port":80,"pid":7,"process":"a\u001b","command":"é"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var l agentrpc.Listening
		if json.Unmarshal(data, &l) != nil {
			return
		}
		for k, s := range merge(l) {
			if k.port == 0 || !s.dial.IsValid() || len(s.bound) == 0 || len(s.owner.Process) > maxWord || len(s.owner.Command) > maxCommand {
				t.Errorf("%+v: %+v", k, s)
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("plain", 3)
	f.Add("\x1b]0;é\xff", 4)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(0, min(n, 1000))
		if got := clean(s, n); len(got) > n || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

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
			HostAddress: loopback.String(), HostPort: port, Source: monitorrpc.SourceAuto, Listening: true,
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Fatal(diff)
		}
		conn := g.mustConnect("tcp", p)
		exchange(t, conn, "hello")
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
	_ = blocker.Close()
	until(t, "the port", func() bool { return g.only().Problem == "" })
}

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
	if live != maxListeners {
		t.Errorf("%d ports are on the host", live)
	}
	g.listening(sockets[:1]...)
	if g.m.live != 1 {
		t.Errorf("%d ports count as on the host", g.m.live)
	}
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
