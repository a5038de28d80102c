package regularfile_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("hello"), 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		f, info, err := regularfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || string(data) != "hello" || info.Size() != 5 {
			t.Errorf("%s: %q of %d bytes, %v", path, data, info.Size(), err)
		}
	}
}

// TestOpenRefuses what is no file, and waits for nothing: the pipe has no writer.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of the test
	for path, want := range map[string]fault.Code{
		dir: fault.Invalid, pipe: fault.Invalid, socket: fault.Invalid, "/dev/zero": fault.Invalid, filepath.Join(dir, "none"): fault.NotFound,
	} {
		if _, _, err := regularfile.Open(path); fault.CodeOf(err) != want || errors.Is(err, fs.ErrNotExist) != (want == fault.NotFound) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
		if _, err := regularfile.Read(path, 9); fault.CodeOf(err) != want {
			t.Errorf("read %s: %v, want %s", path, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := regularfile.Read(path, 5); err != nil || string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := regularfile.Read(path, 4); !errors.Is(err, fault.Invalid) || data != nil {
		t.Errorf("more than asked for: %q, %v", data, err)
	}
}
