package guestfiles

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// evilSource lists a link that leads out of the tree, and then a directory of
// the same name with a file in it.
type evilSource struct{ outside string }

type evilInfo struct {
	name string
	mode fs.FileMode
}

func (i evilInfo) Name() string       { return i.name }
func (i evilInfo) Size() int64        { return 1 }
func (i evilInfo) Mode() fs.FileMode  { return i.mode }
func (i evilInfo) ModTime() time.Time { return time.Unix(1, 0) }
func (i evilInfo) IsDir() bool        { return i.mode.IsDir() }
func (i evilInfo) Sys() any           { return nil }

func (e evilSource) Stat(string) (fs.FileInfo, error) {
	return evilInfo{"top", fs.ModeDir | 0o755}, nil
}
func (e evilSource) ReadLink(string) (string, error) { return e.outside, nil }
func (e evilSource) Open(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("!")), nil
}

func (e evilSource) ReadDir(name string) ([]fs.FileInfo, error) {
	if name == "top" {
		return []fs.FileInfo{evilInfo{"x", fs.ModeSymlink | 0o777}, evilInfo{"x", fs.ModeDir | 0o755}}, nil
	}
	return []fs.FileInfo{evilInfo{"planted", 0o644}}, nil
}

func TestCopyStaysInside(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	c := &copier{ctx: t.Context(), from: evilSource{outside}, to: below{root}, meter: newMeter(nil)}
	if err := c.top("top", "copy"); err == nil {
		t.Error("the copy went on")
	}
	if _, err := os.Lstat(filepath.Join(outside, "planted")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a guest wrote outside the directory it was copied to (%v)", err)
	}
}

// endless is a guest whose every directory has one more in it.
type endless struct{ evilSource }

func (endless) ReadDir(string) ([]fs.FileInfo, error) {
	return []fs.FileInfo{evilInfo{"d", fs.ModeDir | 0o755}}, nil
}

func TestCopyIsBounded(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	c := &copier{ctx: t.Context(), from: endless{}, to: below{root}, meter: newMeter(nil)}
	if err := c.top("top", "copy"); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// failing breaks off in the middle of a file.
type failing struct{ evilSource }

func (failing) Stat(string) (fs.FileInfo, error) { return evilInfo{"f", 0o644}, nil }
func (failing) Open(string) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("half"), errReader{})), nil
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCopyBrokenOffLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	c := &copier{ctx: t.Context(), from: failing{}, to: below{root}, meter: newMeter(nil)}
	if err := c.top("f", "f"); copyFault(context.Background(), err) == nil || !errors.Is(copyFault(context.Background(), err), fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestReasonSFTP(t *testing.T) {
	for text, want := range map[string]string{
		`sftp: "write f: no space left on device" (SSH_FX_FAILURE)`: "no space left on device",
		`sftp: "quota exceeded" (SSH_FX_FAILURE)`:                   "quota exceeded",
		`sftp: "" (SSH_FX_FAILURE)`:                                 `"" (SSH_FX_FAILURE)`,
		`sftp: connection lost`:                                     "connection lost",
	} {
		if got := reasonSFTP(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
