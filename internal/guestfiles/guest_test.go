package guestfiles

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/fault"
)

// newGuest is a guest whose files are this host's, by a real SFTP server.
func newGuest(t *testing.T) *Guest {
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
	session, err := sftp.NewClientPipe(here, here)
	if err != nil {
		t.Fatal(err)
	}
	g := &Guest{files: remote{session}, end: func() { _ = session.Close() }}
	t.Cleanup(func() {
		g.Close()
		_ = there.Close()
		<-served
	})
	return g
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

func TestATreeGoesInAndOut(t *testing.T) {
	g, dir := newGuest(t), t.TempDir()
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
	if err := g.CopyIn(t.Context(), src, filepath.Join(dir, "in"), func(_ string, _, all int64) { total = all }); err != nil {
		t.Fatal(err)
	}
	if total != 2 {
		t.Errorf("the progress was of %d bytes in all, not 2", total)
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.CopyOut(t.Context(), filepath.Join(dir, "in"), filepath.Join(dir, "out"), nil); err != nil {
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

func TestAStreamGoesInAndOut(t *testing.T) {
	g, dir := newGuest(t), t.TempDir()
	name := filepath.Join(dir, "f")
	if err := g.StreamIn(t.Context(), strings.NewReader("hello"), name, nil); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := g.StreamOut(t.Context(), name, &out, nil); err != nil || out.String() != "hello" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := g.StreamIn(t.Context(), strings.NewReader("x"), dir, nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("a stream went to a directory: %v", err)
	}
	if err := g.StreamOut(t.Context(), dir, &out, nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("a directory is a stream: %v", err)
	}
}

func TestCopyFaults(t *testing.T) {
	g, dir := newGuest(t), t.TempDir()
	write(t, filepath.Join(dir, "f"), "x", 0o600)
	for dst, want := range map[string]fault.Code{
		filepath.Join(dir, "none", "f"):  fault.NotFound,
		filepath.Join(dir, "f") + "/":    fault.Invalid,
		filepath.Join(dir, "none") + "/": fault.NotFound,
	} {
		if err := g.CopyIn(t.Context(), filepath.Join(dir, "f"), dst, nil); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, not %s", dst, err, want)
		}
	}
	if err := g.CopyOut(t.Context(), filepath.Join(dir, "gone"), dir, nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.CopyIn(ctx, filepath.Join(dir, "f"), filepath.Join(dir, "g"), nil); !errors.Is(err, context.Canceled) {
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
