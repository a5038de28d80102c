package portkeep

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/peertest"
)

// This test's executable is the keeper, as bangerd is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Verb {
		os.Exit(Command(os.Args[2:], os.Stderr))
	}
	os.Exit(m.Run())
}

func listener(t *testing.T, address string) *net.TCPListener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// What connects while nobody serves is served by the next daemon, and nobody else can have
// the port meanwhile.
func TestAPortIsKept(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	one, two := listener(t, "127.0.0.1:0"), listener(t, "127.0.0.1:0")
	if err := Start(socket, "name", one, two); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", one.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another program has the port: %v", err)
	}
	early, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", one.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = early.Close() }()
	note, had, err := Take(t.Context(), socket)
	if err != nil || note != "name" || len(had) != 2 || had[0].Addr().String() != one.Addr().String() || had[1].Addr().String() != two.Addr().String() {
		t.Fatalf("%q, %v, %v", note, had, err)
	}
	got, err := had[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got.RemoteAddr().String() != early.LocalAddr().String() {
		t.Errorf("accepted %s, want %s", got.RemoteAddr(), early.LocalAddr())
	}
	_ = got.Close()
	for _, l := range had {
		_ = l.Close()
	}
	if _, _, err := Take(t.Context(), socket); err == nil {
		t.Error("it is given twice")
	}
}

func TestNobodyKeepsAPort(t *testing.T) {
	dir := t.TempDir()
	if _, had, err := Take(t.Context(), filepath.Join(dir, "none")); err == nil {
		t.Errorf("without a keeper: %v", had)
	}
	if err := Start(filepath.Join(dir, "s"), strings.Repeat("x", maxNote+1)); err == nil {
		t.Error("a note without end is kept")
	}
	var said bytes.Buffer
	if status := Command([]string{"s"}, &said); status != 2 || said.Len() == 0 {
		t.Errorf("by hand: %d %s", status, said.String())
	}
	for _, count := range []string{"", "0", "-1", "5", "x"} {
		if fds := ports(count); fds != nil {
			t.Errorf("%q ports: %v", count, fds)
		}
	}
}

// A keeper gives the ports up when no daemon comes.
func TestAKeeperEnds(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	at, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = at.Close() }()
	if err := at.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if status := keep(at, never{}, nil, socket, ""); status != 1 {
		t.Errorf("%d", status)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("its socket stays: %v", err)
	}
}

// The time begins when the daemon has ended.
func TestAKeeperWaitsForTheDaemonsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends, lives := io.Pipe()
		ended := make(chan time.Time, 1)
		began := time.Now()
		go func() {
			afterEnd(ends, func(at time.Time) { ended <- at })
		}()
		time.Sleep(time.Hour) //nolint:forbidigo // the clock is synctest's
		_ = lives.Close()
		if at := <-ended; at.Sub(began) != time.Hour+Life {
			t.Errorf("it ends %v after it began", at.Sub(began))
		}
	})
}

// never is a daemon that does not end.
type never struct{}

func (never) Read([]byte) (int, error) { select {} }

func TestStrangersGetNoPort(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "keep") //nolint:usetesting // a directory that a stranger can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l := listener(t, "127.0.0.1:0")
	if err := Start(socket, "name", l); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(socket, 0o666)); err != nil { //nolint:gosec // as if it were open to all
		t.Fatal(err)
	}
	peertest.AsStranger(t, func() {
		if conn, err := net.Dial("unix", socket); err == nil { //nolint:noctx // at once
			if n, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("a stranger reads %d bytes", n)
			}
			_ = conn.Close()
		}
	})
	if _, had, err := Take(t.Context(), socket); err != nil || len(had) != 1 {
		t.Errorf("then its user gets %v, %v", had, err)
	} else {
		_ = had[0].Close()
	}
}
