package portmap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/peertest"
	"github.com/bangervm/banger/internal/sockdiag"
	"github.com/bangervm/banger/internal/vm"
)

// owned has the user's own clients told from others by what the test says. It
// goes before the first port.
func (g *guest) owned(own func(proto string, client, server netip.AddrPort) (bool, error)) {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.m.cfg.Own = own
}

func TestAutomaticPortsAreForTheirOwner(t *testing.T) {
	for name, own := range map[string]func(string, netip.AddrPort, netip.AddrPort) (bool, error){
		"another user's client": func(string, netip.AddrPort, netip.AddrPort) (bool, error) { return false, nil },
		"nobody is asked":       nil,
		"nobody knows":          func(string, netip.AddrPort, netip.AddrPort) (bool, error) { return true, errors.New("no tables") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, nil)
			g.owned(own)
			port, free := freePort(t), freePort(t)
			for _, address := range []string{"127.0.0.1", "0.0.0.0"} {
				g.serve(fmt.Sprintf("%s:%d", address, port), echo)
				g.listening(tcp(address, port))
				g.wantReset(g.only())
			}
			if len(g.dialed) != 0 {
				t.Errorf("the guest was reached: %q", g.dialed)
			}
			// What the user has published is for whom it was published.
			g.m.Publish([]vm.Publish{{Proto: "tcp", HostAddress: loopback.String(), HostPort: int(free), GuestPort: int(port)}})
			f, err := g.m.Forward(monitorrpc.Forward{Proto: "tcp", Host: loopback.String() + ":0", Guest: fmt.Sprint(port)})
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []string{fmt.Sprintf("%s:%d", loopback, free), f.Host} {
				conn, err := g.dialHost("tcp", at)
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, conn, "hello")
			}
		})
	}
}

// The same with a client that is another user's, as the kernel tells it.
func TestAnotherUsersClient(t *testing.T) {
	g := newGuest(t, nil)
	g.owned(func(proto string, client, server netip.AddrPort) (bool, error) {
		return sockdiag.Owned(syscall.Getuid(), proto, client, server)
	})
	port := freePort(t)
	g.serve(fmt.Sprintf("127.0.0.1:%d", port), echo)
	g.udpServer(fmt.Sprintf("0.0.0.0:%d", port))
	g.listening(tcp("127.0.0.1", port), agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	at := netip.AddrPortFrom(loopback, port).String()
	peertest.AsStranger(t, func() {
		conn, err := net.Dial("tcp", at) //nolint:noctx // at once
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(patience))
			err = refusal(conn)
			_ = conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a stranger's connection: %v", err)
		}
		conn, err = net.Dial("udp", at) //nolint:noctx // at once
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = conn.Write([]byte("stranger"))
	})
	for _, network := range []string{"tcp", "udp"} {
		conn, err := g.dialHost(network, at)
		if err != nil {
			t.Fatal(err)
		}
		if network == "tcp" {
			exchange(t, conn, "hello")
			continue
		}
		ask(t, conn, "hello") // datagrams come in order: the stranger's was seen before
	}
	if g.m.conns.Load() != 2 {
		t.Errorf("%d connections and sessions; want the user's two", g.m.conns.Load())
	}
}

// A client's UDP port may be another user's by the time of the next datagram.
func TestUDPSessionEndsWithItsOwner(t *testing.T) {
	g := newGuest(t, nil)
	var ours atomic.Bool
	ours.Store(true)
	g.owned(func(string, netip.AddrPort, netip.AddrPort) (bool, error) { return ours.Load(), nil })
	port := freePort(t)
	g.udpServer(fmt.Sprintf("0.0.0.0:%d", port))
	g.listening(agentrpc.Socket{Proto: "udp", Address: "0.0.0.0", Port: port})
	conn := g.mustConnect("udp", g.only())
	ask(t, conn, "hello")
	ours.Store(false)
	until(t, "the session's end", func() bool {
		_, _ = conn.Write([]byte("x"))
		return g.m.conns.Load() == 0
	})
}

func TestWhichPortsAppear(t *testing.T) {
	card := netip.MustParseAddr("198.18.1.2")
	rows := []struct {
		name             string
		socks            []agentrpc.Socket
		shared, loopback bool
	}{
		{"loopback", []agentrpc.Socket{tcp("127.0.0.1", 7000)}, false, true},
		{"another of the loopback", []agentrpc.Socket{tcp("127.0.0.53", 7000)}, false, true},
		{"loopback of IPv6", []agentrpc.Socket{tcp("::1", 7000)}, false, true},
		{"both loopbacks", []agentrpc.Socket{tcp("127.0.0.1", 7000), tcp("::1", 7000)}, false, true},
		{"loopback, mapped", []agentrpc.Socket{tcp("::ffff:127.0.0.1", 7000)}, false, true},
		{"all", []agentrpc.Socket{tcp("0.0.0.0", 7000)}, true, false},
		{"all of IPv6", []agentrpc.Socket{tcp("::", 7000)}, true, false},
		{"the card", []agentrpc.Socket{tcp(card.String(), 7000)}, true, false},
		{"loopback and the card", []agentrpc.Socket{tcp("127.0.0.1", 7000), tcp(card.String(), 7000)}, true, false},
		{"a bridge in the guest", []agentrpc.Socket{tcp("172.17.0.1", 7000)}, false, false},
	}
	for _, row := range rows {
		for mode, want := range map[vm.PortsMode]bool{"": true, vm.PortsAll: true, vm.PortsShared: row.shared, vm.PortsNone: false} {
			t.Run(fmt.Sprintf("%s/%s", row.name, mode), func(t *testing.T) {
				g := newGuest(t, nil)
				g.m.cfg.Ports, g.m.cfg.Card = mode, []netip.Addr{card}
				g.listening(row.socks...)
				ports := g.ports()
				if got := len(ports) == 1; got != want {
					t.Fatalf("ports are %+v", ports)
				}
				if want && ports[0].Loopback != row.loopback {
					t.Errorf("port is %+v", ports[0])
				}
				// It goes when it is not shared any more.
				g.listening(tcp("127.0.0.1", 7000))
				if got := len(g.ports()) == 1; got != (mode == "" || mode == vm.PortsAll) {
					t.Errorf("then ports are %+v", g.ports())
				}
			})
		}
	}
}

// A server that has just gone from the list, as one does that starts again, is
// looked into: it may have been bound to the loopback.
func TestWhatIsNotListedIsScreened(t *testing.T) {
	g := newGuest(t, nil)
	g.listening(tcp("0.0.0.0", 7000), tcp("127.0.0.1", 7001))
	for port, want := range map[uint16]bool{7000: false, 7001: true, 7002: true} {
		e := newEntry(monitorrpc.SourceAuto, "tcp", target{key: key{"tcp", port}})
		ours, theirs := net.Pipe()
		if _, screened := g.m.screened(e, ours).(*screen); screened != want {
			t.Errorf("port %d is looked into: %v", port, screened)
		}
		_, _ = ours.Close(), theirs.Close()
	}
}
