package guestapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/stream"
)

// dial asks a server for a connection, and returns the status, what follows the
// answer's head, and the connection.
func dial(t *testing.T, bearer, upgrade string, req agentrpc.DialRequest) (status int, in *bufio.Reader, conn *net.UnixConn) {
	t.Helper()
	conn = serve(t, identity()).(*net.UnixConn)
	body, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s",
		agentrpc.PathDial, bearer, upgrade, len(body), body); err != nil {
		t.Fatal(err)
	}
	in = bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil) //nolint:bodyclose // the connection is what ends it
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, in, conn
}

// echo listens at an address and sends back all that each connection says, once
// it has said it all.
func echo(t *testing.T, network, address string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			data, _ := io.ReadAll(conn)
			_, _ = conn.Write(data)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// Each direction ends by itself: the answer comes after the question's end.
func TestDialPassesOnBothWaysAndTheEnd(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			status, in, conn := dial(t, token, agentrpc.DialProtocol, agentrpc.DialRequest{Network: network, Address: echo(t, network, address)})
			if status != http.StatusSwitchingProtocols {
				t.Fatalf("status %d", status)
			}
			sent := strings.Repeat("0123456789", 100_000)
			go func() {
				_, _ = io.WriteString(conn, sent)
				_ = conn.CloseWrite()
			}()
			if got, err := io.ReadAll(in); err != nil || string(got) != sent {
				t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
			}
		})
	}
}

// Where the transport has one end for both directions, the frames have one for each.
func TestDialInFramesPassesOnBothWaysAndTheEnd(t *testing.T) {
	status, in, conn := dial(t, token, agentrpc.FramedDialProtocol, agentrpc.DialRequest{Network: "tcp", Address: echo(t, "tcp", "127.0.0.1:0")})
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	sent := strings.Repeat("0123456789", 100_000)
	framed := agentrpc.NewFramed(stream.Buffered(conn, in))
	go func() {
		_, _ = io.WriteString(framed, sent)
		_ = framed.CloseWrite()
	}()
	if got, err := io.ReadAll(framed); err != nil || string(got) != sent {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
	}
}

func TestDialPassesOnDatagrams(t *testing.T) {
	l, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 1<<16); ; {
			n, from, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = l.WriteTo(append([]byte("re:"), buf[:n]...), from)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	status, in, conn := dial(t, token, agentrpc.DialProtocol, agentrpc.DialRequest{Network: "udp", Address: l.LocalAddr().String()})
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	// One that is too long for UDP is lost, and the next is not.
	frames := "\x00\x03one" + "\x00\x00" + "\xff\xff" + strings.Repeat("x", 1<<16-1) + "\x00\x05three"
	if _, err := io.WriteString(conn, frames); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x00\x06re:one", "\x00\x03re:", "\x00\x08re:three"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
			t.Fatalf("frame %q, %v; want %q", got, err, want)
		}
	}
}

// A datagram that nobody takes leaves the connection as it is.
func TestDialOutlivesARefusedDatagram(t *testing.T) {
	l, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.LocalAddr().String()
	_ = l.Close()
	_, in, conn := dial(t, token, agentrpc.DialProtocol, agentrpc.DialRequest{Network: "udp", Address: address})
	if _, err := io.WriteString(conn, "\x00\x03one"); err != nil {
		t.Fatal(err)
	}
	if l, err = (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", address); err != nil {
		t.Skip("the port is another's now:", err)
	}
	defer func() { _ = l.Close() }()
	if _, err := io.WriteString(conn, "\x00\x03two"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	n, from, err := l.ReadFrom(buf)
	if err == nil && string(buf[:n]) == "one" { // the first came late enough
		n, from, err = l.ReadFrom(buf)
	}
	if err != nil || string(buf[:n]) != "two" {
		t.Fatalf("%q arrives, %v", buf[:n], err)
	}
	if _, err := l.WriteTo([]byte("back"), from); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "\x00\x04back" {
		t.Errorf("frame %q, %v", got, err)
	}
}

func TestDialRefused(t *testing.T) {
	unused, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = unused.Close()
	for name, tc := range map[string]struct {
		bearer, upgrade, network, address string
		status                            int
	}{
		"no token":      {"sesam", agentrpc.DialProtocol, "tcp", "127.0.0.1:1", http.StatusUnauthorized},
		"no upgrade":    {token, "other", "tcp", "127.0.0.1:1", http.StatusUpgradeRequired},
		"framed udp":    {token, agentrpc.FramedDialProtocol, "udp", "127.0.0.1:1", http.StatusUnprocessableEntity},
		"a name":        {token, agentrpc.DialProtocol, "tcp", "localhost:80", http.StatusUnprocessableEntity},
		"port 0":        {token, agentrpc.DialProtocol, "tcp", "127.0.0.1:0", http.StatusUnprocessableEntity},
		"a network":     {token, agentrpc.DialProtocol, "ip:1", "127.0.0.1", http.StatusUnprocessableEntity},
		"relative path": {token, agentrpc.DialProtocol, "unix", "s", http.StatusUnprocessableEntity},
		"abstract":      {token, agentrpc.DialProtocol, "unix", "@s", http.StatusUnprocessableEntity},
		"long path":     {token, agentrpc.DialProtocol, "unix", "/" + strings.Repeat("x", 107), http.StatusUnprocessableEntity},
		"no file":       {token, agentrpc.DialProtocol, "unix", "/" + strings.Repeat("x", 106), http.StatusServiceUnavailable},
		"nobody":        {token, agentrpc.DialProtocol, "tcp", unused.Addr().String(), http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, _ := dial(t, tc.bearer, tc.upgrade, agentrpc.DialRequest{Network: tc.network, Address: tc.address}); got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
		})
	}
}

func TestSocketOwner(t *testing.T) {
	for query, want := range map[string]struct {
		status int
		owner  agentrpc.Owner
	}{
		"proto=tcp&port=80":    {http.StatusOK, agentrpc.Owner{PID: 7, Process: "web", Command: "web -p 80"}},
		"proto=udp&port=80":    {http.StatusOK, agentrpc.Owner{}},
		"proto=sctp&port=80":   {http.StatusUnprocessableEntity, agentrpc.Owner{}},
		"proto=tcp&port=65536": {http.StatusUnprocessableEntity, agentrpc.Owner{}},
		"":                     {http.StatusUnprocessableEntity, agentrpc.Owner{}},
	} {
		for bearer, status := range map[string]int{token: want.status, "": http.StatusUnauthorized} {
			conn := serve(t, identity())
			if _, err := fmt.Fprintf(conn, "GET %s?%s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer %s\r\n\r\n", agentrpc.PathSocket, query, bearer); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got agentrpc.Owner
			err = json.NewDecoder(resp.Body).Decode(&got)
			_ = resp.Body.Close()
			if resp.StatusCode != status || bearer != "" && (err != nil || got != want.owner) {
				t.Errorf("%q by %q: %d, %+v, %v", query, bearer, resp.StatusCode, got, err)
			}
		}
	}
}
