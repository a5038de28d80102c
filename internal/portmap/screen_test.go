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
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/stream"
)

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

// A page of another host may have no WebSocket here, which would tell it what the
// server says.
func TestOriginOfTheFirstRequest(t *testing.T) {
	g, at := webServer(t, "127.0.0.1")
	for origin, want := range map[string]bool{
		"http://box.vm:8080": true, "http://localhost:3000": true, "https://127.0.0.1": true, "http://[::1]:80": true, "http://box": true,
		"https://evil.example": false, "http://evil.example:8080": false, "null": false, "": false, "http://box.vm.evil.example": false,
		"http://192.0.2.1": false, "box.vm": false, "http://evil.example://box.vm": false,
	} {
		conn, err := g.dialHost("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\norigin: %s\r\n\r\n", at, origin)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", origin, err)
		}
		_ = resp.Body.Close()
		if got := resp.StatusCode == http.StatusOK; got != want || !got && resp.StatusCode != http.StatusForbidden {
			t.Errorf("a page of %q: %s", origin, resp.Status)
		}
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

// A page's long first line does not pass because this process got no CPU between
// two looks: what is late is here already.
func TestScreenThatSleptReadsOn(t *testing.T) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	for _, text := range []string{
		"GET /" + strings.Repeat("x", 5*stream.SmallBuffer) + " HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		strings.Repeat("X", 3*stream.SmallBuffer) + " / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
	} {
		if _, err := io.WriteString(client, text); err != nil {
			t.Fatal(err)
		}
		until(t, "the whole request", func() bool { return buffered(t, server) == len(text) })
		s := &screen{Conn: server, allowed: func(string) bool { return false }, patience: -time.Hour}
		_, err := io.ReadFull(s, make([]byte, stream.SmallBuffer))
		if _, refused := errors.AsType[*misdirectedError](err); !refused {
			t.Fatalf("%.10q…: %v", text, err)
		}
		_ = server.SetReadDeadline(time.Time{})
	}
}

// buffered is how many bytes wait to be read.
func buffered(t *testing.T, conn *net.TCPConn) (n int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// It is the same in whatever pieces it comes.
		all, split := head{data: data}, head{data: data[:len(data)/2]}
		split.judge()
		split.data = data
		if all.judge() != split.judge() || len(all.hosts) != len(split.hosts) || len(all.origins) != len(split.origins) {
			t.Fatalf("%d with %q, in pieces %d with %q", all.kind, all.hosts, split.kind, split.hosts)
		}
	})
}
