package netstack

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// neighbourhood is two VMs of one group, each with its socket served.
func neighbourhood(t *testing.T) (a, b *machine) {
	t.Helper()
	a, b = bootVM(t, 256, "none"), bootVM(t, 257, "none")
	for _, pair := range [][2]*machine{{a, b}, {b, a}} {
		socket := filepath.Join(t.TempDir(), "neighbour.sock")
		l, err := net.Listen("unix", socket) //nolint:noctx // at once
		if err != nil {
			t.Fatal(err)
		}
		var tasks sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		tasks.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				tasks.Go(func() { pair[0].net.ServeNeighbour(ctx, conn) })
			}
		})
		t.Cleanup(func() {
			cancel()
			_ = l.Close()
			tasks.Wait()
		})
		pair[1].net.SetNeighbours([]Neighbour{{
			VMID: pair[0].net.config.VMID, Name: pair[0].net.config.Name, Socket: socket,
			Address4: pair[0].addr4, Address6: pair[0].addr6,
		}})
	}
	return a, b
}

func TestNeighboursReachEachOtherWhateverThePolicy(t *testing.T) {
	a, b := neighbourhood(t)
	for i, addr := range []netip.Addr{b.addr4, b.addr6} {
		from := make(chan net.Addr, 1)
		to := netip.AddrPortFrom(addr, 80).String()
		b.serveTCP(t, to, func(conn net.Conn) {
			from <- conn.RemoteAddr()
			echoAll(conn)
		})
		if err := echoed(a, to, strings.Repeat("hello", 100000)); err != nil {
			t.Fatal(err)
		}
		want := []netip.Addr{a.addr4, a.addr6}[i]
		if got := (<-from).String(); netip.MustParseAddrPort(got).Addr() != want {
			t.Errorf("the server saw %s, not %s", got, want)
		}
		if _, err := a.dialTCP(within(t), netip.AddrPortFrom(addr, 81).String()); err == nil {
			t.Error("a port on which nobody listens was reached")
		}
	}
	if len(a.world.dialled())+len(b.world.dialled()) > 0 {
		t.Error("the host's dialer was used")
	}
}

func TestNeighboursSendDatagrams(t *testing.T) {
	a, b := neighbourhood(t)
	server := b.listenUDP(t, 53)
	conn := a.dialUDP(t, netip.AddrPortFrom(b.addr4, 53).String())
	for _, text := range []string{"one", strings.Repeat("two", 10000)} {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		read, from, err := server.ReadFrom(buf)
		if err != nil || string(buf[:read]) != text {
			t.Fatalf("the server read %d bytes, %v", read, err)
		}
		if _, err := server.WriteTo(buf[:read], from); err != nil {
			t.Fatal(err)
		}
		if read, err = conn.Read(buf); err != nil || string(buf[:read]) != text {
			t.Errorf("read %d bytes, %v", read, err)
		}
	}
}

func TestWhoIsNoNeighbourIsRefused(t *testing.T) {
	a, b := neighbourhood(t)
	b.serveTCP(t, netip.AddrPortFrom(b.addr4, 80).String(), echoAll)
	for _, line := range []string{
		`{"vm_id":"id-999","proto":"tcp","port":80}` + "\n", `{"proto":"tcp","port":80}` + "\n", "nonsense\n",
		strings.Repeat("x", 3000), `{"vm_id":"id-256","proto":"sctp","port":80}` + "\n",
	} {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.net.ServeNeighbour(t.Context(), ours)
		}()
		_ = theirs.SetDeadline(time.Now().Add(patience))
		go func() { _, _ = io.WriteString(theirs, line) }()
		if got, _ := io.ReadAll(theirs); len(got) != 1 || got[0] != neighbourRefused {
			t.Errorf("%.40q was answered with %x", line, got)
		}
		<-done
		_ = theirs.Close()
	}
	conn := a.mustDial(t, netip.AddrPortFrom(b.addr4, 80).String())
	a.net.SetNeighbours(nil)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection to who is no neighbour any more lives on")
	}
	if _, err := a.dialTCP(within(t), fmt.Sprintf("%s:80", b.addr4)); err == nil {
		t.Error("who is no neighbour any more was reached")
	}
}
