package portmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
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

// webServer is one in the guest, whose port is on the host.
func webServer(t *testing.T, bound string) (g *guest, at string) {
	g = newGuest(t, nil)
	g.m.cfg.Name = "box"
	port := freePort(t)
	g.serve(fmt.Sprintf("%s:%d", bound, port), func(conn *net.TCPConn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\n\r\n%s %s %s", req.Method, req.Host, body)
		_ = conn.CloseWrite()
	})
	g.listening(tcp(bound, port))
	return g, netip.AddrPortFrom(loopback, port).String()
}

func TestHostOfTheFirstRequest(t *testing.T) {
	rows := map[string]bool{
		"box.vm": true, "box.vm:8080": true, "BOX.VM": true, "box.vm.": true, "box": true, "localhost": true, "localhost:3000": true,
		"127.0.0.1:8080": true, "[::1]:8080": true, "[::1]": true, loopback.String(): true, loopback.String() + ":80": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "box.vm.evil.example": false, "other.vm": false,
		"xbox.vm": false, "192.0.2.1": false, "127.0.0.1.evil.example": false, "": false, "[::1].evil.example": false, "box.vm,evil.example": false,
	}
	g, at := webServer(t, "127.0.0.1")
	for host, want := range rows {
		conn, err := g.dialHost("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /x HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\nhello", host)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", host, err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.StatusCode == http.StatusOK; got != want || !got && resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%q: %s %s", host, resp.Status, body)
		}
	}
	// What the guest offers to others than itself is not looked into.
	g, at = webServer(t, "0.0.0.0")
	conn, err := g.dialHost("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: dev.example.org\r\n\r\n")
	if got, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(got), "GET dev.example.org ") {
		t.Errorf("%q, %v", got, err)
	}
}

// What is no request passes as it is, however it comes.
func TestOtherProtocolsPassTheScreen(t *testing.T) {
	g := newGuest(t, nil)
	port := freePort(t)
	g.serve(fmt.Sprintf("127.0.0.1:%d", port), func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "hi") // the server may speak first
		echo(conn)
	})
	g.listening(tcp("127.0.0.1", port))
	long := strings.Repeat("x", 3*maxHead)
	for name, text := range map[string]string{
		"silent": "", "a line": "PING\r\n", "binary": "\x00\x03\x00\x00", "tls": "\x16\x03\x01\x02\x00", "json": `{"a": "` + long + `"}`,
		"less than a line": "JDWP-Handshake", "a letter": "A", "http/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http/0.9": "GET /\r\n",
		"base64": "aGVsbG8/" + long, "half of a head": "GET / HTTP/1.1\r\nHost: x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := g.dialHost("tcp", netip.AddrPortFrom(loopback, port).String())
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 2)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hi" {
				t.Fatalf("the server's words: %q, %v", got, err)
			}
			go func() { // what comes back must be read meanwhile
				_, _ = io.WriteString(conn, text)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			if back, err := io.ReadAll(conn); err != nil || string(back) != text {
				t.Errorf("%d bytes came back of %d: %v", len(back), len(text), err)
			}
		})
	}
}

// pieces is a connection that gives one byte at a time.
type pieces struct {
	net.Conn
	left string
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == "" {
		return 0, p.err
	}
	n := copy(b[:min(1, len(b))], p.left)
	p.left = p.left[n:]
	return n, nil
}

func (*pieces) SetReadDeadline(time.Time) error { return nil }

func TestScreenPutsPiecesTogether(t *testing.T) {
	const bad = "GET / HTTP/1.1\r\nX: y\r\nhOsT : evil.example\r\n\r\n"
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"refused": {bad, true}, "two hosts": {"GET / HTTP/1.1\r\nHost: box\r\nHost: box\r\n\r\n", true},
		"bare newlines": {"GET / HTTP/1.1\nHost: evil.example\n\n", true}, "http/1.0": {"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", true},
		"any method": {"x-y / HTTP/1.1\r\nHost: evil.example\r\n\r\n", true}, "no host": {"GET / HTTP/1.0\r\n\r\n", false},
		"our host": {"GET / HTTP/1.1\r\nHost: box\r\n\r\nrest", false}, "endless head": {"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxHead/6), true},
		"endless line": {"GET /" + strings.Repeat("x", 2*maxHead), true}, "cut off": {bad[:20], false}, "nothing": {"", false},
	} {
		s := &screen{Conn: &pieces{left: c.text, err: io.EOF}, allowed: func(host string) bool { return host == "box" }, patience: undecided}
		got, err := io.ReadAll(s)
		_, refused := errors.AsType[*misdirectedError](err)
		if refused != c.refused || !refused && (err != nil || string(got) != c.text) || refused && len(got) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// A late byte does not make a request of what has been let through, and a head
// that never ends is cut.
func TestScreenDoesNotWaitForEver(t *testing.T) {
	s := &screen{Conn: &pieces{left: "GET", err: os.ErrDeadlineExceeded}, allowed: func(string) bool { return false }}
	buf := make([]byte, 8)
	if n, err := s.Read(buf); err != nil || string(buf[:n]) != "GET" {
		t.Errorf("less than a line: %q, %v", buf[:n], err)
	}
	s = &screen{Conn: &pieces{left: "GET / HTTP/1.1\r\nHost: ", err: os.ErrDeadlineExceeded}, allowed: func(string) bool { return false }}
	if n, err := s.Read(buf); err == nil || n != 0 {
		t.Errorf("half a head: %q, %v", buf[:n], err)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// It is the same in whatever pieces it comes.
		all, split := head{data: data}, head{data: data[:len(data)/2]}
		split.judge()
		split.data = data
		if all.judge() != split.judge() || len(all.hosts) != len(split.hosts) {
			t.Fatalf("%d with %q, in pieces %d with %q", all.kind, all.hosts, split.kind, split.hosts)
		}
	})
}
