package sockdiag

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/peertest"
)

func at(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort()
	case *net.UDPAddr:
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// clients are the ways in which a client of this host can be connected, whoever
// it is. They leave it open.
var clients = map[string]struct {
	proto, listen, network, from string
}{
	"tcp":                            {TCP, "127.77.5.1:0", "tcp", ""},
	"tcp from an address of its own": {TCP, "127.77.5.1:0", "tcp", "127.77.5.2:0"},
	"tcp of IPv6":                    {TCP, "[::1]:0", "tcp", ""},
	"tcp by a socket of IPv6":        {TCP, "127.77.5.1:0", "tcp6", ""},
	"udp":                            {UDP, "127.77.5.1:0", "udp", ""},
	"udp that is not connected":      {UDP, "127.77.5.1:0", "udp", "0.0.0.0:0"},
	"udp of IPv6":                    {UDP, "[::1]:0", "udp", ""},
	"udp by a socket of IPv6":        {UDP, "127.77.5.1:0", "udp", "[::]:0"},
}

// dialed is one client's end, and where it is seen to come from.
func dialed(t *testing.T, name string) (client, server netip.AddrPort, closeClient func()) {
	t.Helper()
	c := clients[name]
	var listenAt, from netip.AddrPort
	keep := func(closer io.Closer) { t.Cleanup(func() { _ = closer.Close() }) }
	if c.proto == UDP {
		l, err := net.ListenPacket("udp", c.listen) //nolint:noctx // at once
		if err != nil {
			t.Error(err)
			return
		}
		keep(l)
		listenAt = at(l.LocalAddr())
		var conn net.Conn
		if c.from != "" {
			u, err := net.ListenPacket("udp", c.from) //nolint:noctx // at once
			if err == nil {
				_, err = u.WriteTo([]byte("x"), l.LocalAddr())
			}
			if err != nil {
				t.Error(err)
				return
			}
			conn = u.(*net.UDPConn)
		} else if conn, err = net.Dial("udp", listenAt.String()); err == nil { //nolint:noctx // at once
			_, err = conn.Write([]byte("x"))
		}
		if err != nil {
			t.Error(err)
			return
		}
		keep(conn)
		_, sender, err := l.ReadFrom(make([]byte, 1))
		if err != nil {
			t.Error(err)
			return
		}
		return at(sender), listenAt, func() { _ = conn.Close() }
	}
	l, err := net.Listen("tcp", c.listen) //nolint:noctx // at once
	if err != nil {
		t.Error(err)
		return
	}
	keep(l)
	listenAt = at(l.Addr())
	d := net.Dialer{}
	if c.from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
	}
	to := listenAt.String()
	if c.network == "tcp6" {
		to = netip.AddrPortFrom(netip.AddrFrom16(listenAt.Addr().As16()), listenAt.Port()).String()
		c.network = "tcp"
	}
	conn, err := d.DialContext(t.Context(), c.network, to)
	if err != nil {
		t.Error(err)
		return
	}
	keep(conn)
	got, err := l.Accept()
	if err != nil {
		t.Error(err)
		return
	}
	keep(got)
	from = at(got.RemoteAddr())
	return from, at(got.LocalAddr()), func() { _ = conn.Close() }
}

func TestOwned(t *testing.T) {
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			client, server, closeClient := dialed(t, name)
			for what, row := range map[string]struct {
				uid  int
				want bool
			}{"ours": {os.Getuid(), true}, "another user's": {os.Getuid() + 1, false}} {
				if got, err := Owned(row.uid, c.proto, client, server); err != nil || got != row.want {
					t.Errorf("%s: %v, %v", what, got, err)
				}
			}
			for what, ask := range map[string]func(string, netip.AddrPort, netip.AddrPort) (owner, error){"netlink": byNetlink, "table": byTable} {
				if got, err := ask(c.proto, client, server); err != nil || got.uid != os.Getuid() || got.inode == 0 {
					t.Errorf("%s: %+v, %v", what, got, err)
				}
			}
			closeClient()
			// Some kernels know for a while whose it was; as root's it never counts.
			for _, uid := range []int{0, os.Getuid() + 1} {
				if got, err := Owned(uid, c.proto, client, server); err != nil || got {
					t.Errorf("a closed one, of user %d: %v, %v", uid, got, err)
				}
			}
		})
	}
}

func TestStrangersAreNotOurs(t *testing.T) {
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			var client, server netip.AddrPort
			peertest.AsStranger(t, func() { client, server, _ = dialed(t, name) })
			for uid, want := range map[int]bool{os.Getuid(): false, peertest.Stranger: true} {
				if got, err := Owned(uid, c.proto, client, server); err != nil || got != want {
					t.Errorf("of user %d: %v, %v", uid, got, err)
				}
			}
			for what, ask := range map[string]func(string, netip.AddrPort, netip.AddrPort) (owner, error){"netlink": byNetlink, "table": byTable} {
				if got, err := ask(c.proto, client, server); err != nil || got.uid != peertest.Stranger {
					t.Errorf("%s: %+v, %v", what, got, err)
				}
			}
		})
	}
}

// What a stranger leaves behind when it closes at once must not pass as root's.
func TestClosedStrangerIsNotRoot(t *testing.T) {
	var client, server netip.AddrPort
	peertest.AsStranger(t, func() {
		var closeClient func()
		if client, server, closeClient = dialed(t, "tcp"); closeClient != nil {
			closeClient()
		}
	})
	if got, err := Owned(0, TCP, client, server); err != nil || got {
		t.Errorf("%v, %v", got, err)
	}
}

// A stranger sends, resets the connection, and is asked for while a program of ours
// listens where it came from: what listens there did not connect.
func TestWhoListensIsNoClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.77.5.3:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	server := netip.MustParseAddrPort("127.77.5.1:9")
	for what, ask := range map[string]func(string, netip.AddrPort, netip.AddrPort) (owner, error){"netlink": byNetlink, "table": byTable} {
		if got, err := ask(TCP, at(l.Addr()), server); !errors.Is(err, errAbsent) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	if got, err := Owned(os.Getuid(), TCP, at(l.Addr()), server); err != nil || got {
		t.Errorf("it counts as ours: %v, %v", got, err)
	}
	// By it is seen that the kernel answers, and the long tables need not be read.
	if got, _, err := ask(TCP, at(l.Addr()), server); err != nil || got.uid != os.Getuid() {
		t.Errorf("who listens is %+v, %v", got, err)
	}
}

// Programs of several users may have one UDP port, as those for mDNS do: the kernel
// knows of one of them, and any may have sent.
func TestSharedUDPPortsAreNobodys(t *testing.T) {
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
	}}
	server, err := net.ListenPacket("udp4", "127.77.5.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	ours, err := share.ListenPacket(t.Context(), "udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	for _, stays := range []bool{false, true} {
		peertest.AsStranger(t, func() {
			theirs, err := share.ListenPacket(t.Context(), "udp4", at(ours.LocalAddr()).String())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := theirs.WriteTo([]byte("x"), server.LocalAddr()); err != nil {
				t.Error(err)
			}
			if stays {
				t.Cleanup(func() { _ = theirs.Close() })
				return
			}
			_ = theirs.Close()
		})
		_, from, err := server.ReadFrom(make([]byte, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Owned(os.Getuid(), UDP, at(from), at(server.LocalAddr())); err != nil || got {
			t.Errorf("a stranger's datagram counts as ours: %v, %v (it is still open: %v)", got, err, stays)
		}
	}
}

func TestHolder(t *testing.T) {
	for _, c := range []struct{ proto, at string }{
		{TCP, "127.77.5.9:0"}, {UDP, "127.77.5.9:0"}, {TCP, "[::1]:0"}, {UDP, "[::1]:0"},
	} {
		t.Run(c.proto+" "+c.at, func(t *testing.T) {
			listen := func() (at netip.AddrPort, l io.Closer) {
				if c.proto == TCP {
					l, err := net.Listen("tcp", c.at) //nolint:noctx // at once
					if err != nil {
						t.Error(err)
						return netip.AddrPort{}, io.NopCloser(nil)
					}
					return l.Addr().(*net.TCPAddr).AddrPort(), l
				}
				u, err := net.ListenPacket("udp", c.at) //nolint:noctx // at once
				if err != nil {
					t.Error(err)
					return netip.AddrPort{}, io.NopCloser(nil)
				}
				return u.LocalAddr().(*net.UDPAddr).AddrPort(), u
			}
			mine, l := listen()
			if uid, found, err := Holder(c.proto, mine); err != nil || !found || uid != os.Getuid() {
				t.Errorf("ours: %d, %v, %v", uid, found, err)
			}
			_ = l.Close()
			if uid, found, err := Holder(c.proto, mine); err != nil || found {
				t.Errorf("nobody's: %d, %v, %v", uid, found, err)
			}
			var theirs netip.AddrPort
			peertest.AsStranger(t, func() { theirs, l = listen() })
			defer func() { _ = l.Close() }()
			if uid, found, err := Holder(c.proto, theirs); err != nil || !found || uid != peertest.Stranger {
				t.Errorf("a stranger's: %d, %v, %v", uid, found, err)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, data := range []string{"", "short", strings.Repeat("\x00", headerSize+4), strings.Repeat("\xff", 200)} {
		if _, _, err := answer([]byte(data)); err == nil || errors.Is(err, errAbsent) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("  sl  local_address rem_address   st\n   0: 0100007F:1F90 0200007F:0016 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 20 4 30 10 -1\n")
	f.Fuzz(func(_ *testing.T, text string) {
		one := netip.MustParseAddrPort("127.0.0.1:8080")
		_, _ = search(strings.NewReader(text), one, one, true)
	})
}
