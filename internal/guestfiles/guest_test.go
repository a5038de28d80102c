package guestfiles

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/agent/transfer"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// newSFTP is a guest whose files are this host's, by a real SFTP server.
func newSFTP(t *testing.T) *session {
	t.Helper()
	here, there := net.Pipe()
	server, err := sftp.NewServer(there)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve()
	}()
	files, err := sftp.NewClientPipe(here, here)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{files: remote{files}, end: func() { _ = files.Close() }}
	t.Cleanup(func() {
		s.Close()
		_ = there.Close()
		<-served
	})
	return s
}

// oldGuest is one whose agent is of an older build.
func oldGuest(t *testing.T) *Guest {
	t.Helper()
	return &Guest{
		copy: func(context.Context, agentrpc.CopyRequest) (Conn, error) { return nil, client.ErrNoCopy },
		old:  func(context.Context) (*session, error) { return newSFTP(t), nil },
	}
}

// newGuest is one whose files are this host's, by the agent's own server.
func newGuest(t *testing.T) *Guest {
	t.Helper()
	return &Guest{copy: func(ctx context.Context, req agentrpc.CopyRequest) (Conn, error) {
		ctx = context.WithoutCancel(ctx)
		here, there := sockets(t)
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer func() { _ = there.Close() }()
			transfer.Server{Home: "/", Log: slog.New(slog.DiscardHandler)}.Serve(ctx, req, bufio.NewReader(there), there)
		}()
		t.Cleanup(func() {
			_ = here.Close()
			<-served
		})
		return here, nil
	}}
}

// sockets are the ends of a connection that closes each direction by itself.
func sockets(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*net.UnixConn, 0, 2)
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		conn, err := net.FileConn(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, conn.(*net.UnixConn))
	}
	return ends[0], ends[1]
}

// guests are both: what holds for one must hold for the other.
func guests(t *testing.T, test func(t *testing.T, g *Guest)) {
	t.Helper()
	t.Run("copy", func(t *testing.T) { test(t, newGuest(t)) })
	t.Run("sftp", func(t *testing.T) { test(t, oldGuest(t)) })
}

func write(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestATreeGoesInAndOut(t *testing.T) { guests(t, aTreeGoesInAndOut) }

func aTreeGoesInAndOut(t *testing.T, g *Guest) {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.MkdirAll(filepath.Join(src, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(src, "sub", "run"), "#!", 0o755)
	long := time.Unix(1_000_000, 0)
	if err := errors.Join(os.Symlink("sub/run", filepath.Join(src, "link")), os.Chtimes(filepath.Join(src, "sub", "run"), long, long)); err != nil {
		t.Fatal(err)
	}
	var total int64
	if err := g.CopyIn(t.Context(), []string{src}, filepath.Join(dir, "in"), Options{Progress: func(_ string, _, all int64) { total = all }}); err != nil {
		t.Fatal(err)
	}
	if total != 2 {
		t.Errorf("the progress was of %d bytes in all, not 2", total)
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.CopyOut(t.Context(), []string{filepath.Join(dir, "in")}, filepath.Join(dir, "out"), Options{}); err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(dir, "out", "in")
	info, err := os.Stat(filepath.Join(got, "sub", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o755 || !info.ModTime().Equal(long) || read(t, filepath.Join(got, "link")) != "#!" {
		t.Errorf("it came back as %v of %v", info.Mode(), info.ModTime())
	}
	if to, err := os.Readlink(filepath.Join(got, "link")); to != "sub/run" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestAStreamGoesInAndOut(t *testing.T) { guests(t, aStreamGoesInAndOut) }

func aStreamGoesInAndOut(t *testing.T, g *Guest) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := g.StreamIn(t.Context(), strings.NewReader("hello"), name, Options{}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := g.StreamOut(t.Context(), name, &out, Options{}); err != nil || out.String() != "hello" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := g.StreamIn(t.Context(), strings.NewReader("x"), dir, Options{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a stream went to a directory: %v", err)
	}
}

func TestCopyFaults(t *testing.T) { guests(t, copyFaults) }

func copyFaults(t *testing.T, g *Guest) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "f"), "x", 0o600)
	for dst, want := range map[string]fault.Code{
		filepath.Join(dir, "none", "f"):  fault.NotFound,
		filepath.Join(dir, "f") + "/":    fault.Invalid,
		filepath.Join(dir, "none") + "/": fault.NotFound,
	} {
		if err := g.CopyIn(t.Context(), []string{filepath.Join(dir, "f")}, dst, Options{}); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, not %s", dst, err, want)
		}
	}
	if err := g.CopyOut(t.Context(), []string{filepath.Join(dir, "gone")}, dir, Options{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.CopyIn(ctx, []string{filepath.Join(dir, "f")}, filepath.Join(dir, "g"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestProgressIsPaced(t *testing.T) {
	now, calls := time.Unix(1, 0), 0
	m := &meter{tell: func(string, int64, int64) { calls++ }, now: func() time.Time { return now }}
	for range 10 {
		m.add("f", 1)
		now = now.Add(progressEvery / 5)
	}
	if calls != 2 || m.done != 10 {
		t.Errorf("told %d times in %s, of %d bytes", calls, 2*progressEvery, m.done)
	}
}
