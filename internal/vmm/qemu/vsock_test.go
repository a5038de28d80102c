package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/seriallink"
	"github.com/bangervm/banger/internal/statedir"
)

func FuzzConnectLine(f *testing.F) {
	for _, s := range []string{"CONNECT 1024\n", "connect 1\nrest", "CONNECT 99999999999\n", "CONNECT\n", strings.Repeat("C", 40)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := strings.NewReader(string(data))
		port, err := readConnect(r)
		used := len(data) - r.Len()
		if used > maxConnectLine {
			t.Errorf("%d bytes were read", used)
		}
		if err == nil && (data[used-1] != '\n' || !strings.Contains(string(data[:used]), " ")) {
			t.Errorf("%q gave port %d", data[:used], port)
		}
	})
}

// vsockRig is a hybridVsock whose guest serves echo on port 7.
type vsockRig struct {
	*hybridVsock
	guest chan *seriallink.Link
	lines chan net.Conn
}

func newVsockRig(t *testing.T) *vsockRig {
	t.Helper()
	rig := &vsockRig{guest: make(chan *seriallink.Link, 4), lines: make(chan net.Conn, 4)}
	dial := func(ctx context.Context) (net.Conn, error) {
		host, guest := net.Pipe()
		go func() {
			link, err := seriallink.Guest(context.WithoutCancel(ctx), guest)
			if err != nil {
				return
			}
			rig.lines <- guest
			rig.guest <- link
			_ = link.Serve(context.WithoutCancel(ctx), func(_ context.Context, port uint32) func(net.Conn) {
				if port != 7 {
					return nil
				}
				return func(c net.Conn) { _, _ = io.Copy(c, c) }
			})
		}()
		return host, nil
	}
	v, err := serveVsock(t.Context(), filepath.Join(t.TempDir(), "v.sock"), dial, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rig.hybridVsock = v
	t.Cleanup(v.close)
	return rig
}

// connect sends a first line and returns the answer's, empty where the
// connection is closed without a word.
func (r *vsockRig) connect(t *testing.T, line string) (*net.UnixConn, string) {
	t.Helper()
	conn, err := statedir.DialUnix(t.Context(), r.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err != nil && answer != "" {
		t.Fatalf("half an answer: %q, %v", answer, err)
	}
	return conn.(*net.UnixConn), answer
}

func TestHybridVsockToTheGuest(t *testing.T) {
	r := newVsockRig(t)
	conn, answer := r.connect(t, "CONNECT 7\n")
	if answer != fmt.Sprintf("OK %d\n", firstHostPort) {
		t.Fatalf("answer %q", answer)
	}
	if _, err := io.WriteString(conn, "both ways"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "both ways" {
		t.Errorf("echo gave %q, %v", got, err)
	}
	for _, line := range []string{"CONNECT 8\n", "HELLO 7\n", "CONNECT -7\n", strings.Repeat("x", maxConnectLine)} {
		if _, answer := r.connect(t, line); answer != "" {
			t.Errorf("%q was answered %q", line, answer)
		}
	}
}

func TestHybridVsockFromTheGuest(t *testing.T) {
	r := newVsockRig(t)
	listener, err := statedir.ListenUnix(r.path + "_9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	guest := <-r.guest
	if _, err := guest.Dial(t.Context(), 10); !errors.Is(err, seriallink.ErrRefused) {
		t.Errorf("a port where nobody listens gave %v", err)
	}
	conn, err := guest.Dial(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "from the guest"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "from the guest" {
		t.Errorf("echo gave %q, %v", got, err)
	}
}

func TestHybridVsockLinksAgain(t *testing.T) {
	r := newVsockRig(t)
	first := <-r.guest
	old, answer := r.connect(t, "CONNECT 7\n")
	if answer == "" {
		t.Fatal("refused")
	}
	_ = (<-r.lines).Close()
	<-first.Done()
	if _, err := io.ReadAll(old); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stream of the lost link ended with %v", err)
	}
	<-r.guest
	if _, answer := r.connect(t, "CONNECT 7\n"); answer == "" {
		t.Error("refused after the second link")
	}
}

func TestHybridVsockCloseEndsAll(t *testing.T) {
	r := newVsockRig(t)
	conn, _ := r.connect(t, "CONNECT 7\n")
	r.close()
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stream ended with %v", err)
	}
}
