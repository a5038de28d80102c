package regular_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agent/regular/regulartest"
)

func TestOddFilesAreRefused(t *testing.T) {
	want := map[string]error{
		"FIFO": regular.ErrNotRegular, "empty directory": regular.ErrNotRegular, "full directory": regular.ErrNotRegular,
		"link to itself": syscall.ELOOP, "dangling link": fs.ErrNotExist, "socket": regular.ErrNotRegular,
		"huge": regular.ErrTooLarge, "link to a FIFO": regular.ErrNotRegular,
		"endless device": regular.ErrNotRegular, "unreadable": fs.ErrPermission,
	}
	for kind, make := range regulartest.Odd() {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			make(t, filepath.Join(dir, "file"))
			if _, err := regular.Read(filepath.Join(dir, "file"), 100); !errors.Is(err, want[kind]) {
				t.Errorf("Read: %v, want %v", err, want[kind])
			}
			if _, err := regular.ReadIn(dir, "/file", 100); !errors.Is(err, want[kind]) {
				t.Errorf("ReadIn: %v, want %v", err, want[kind])
			}
		})
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "real"), []byte(strings.Repeat("x", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/real", filepath.Join(dir, "link")); err != nil { // leads there only inside dir
		t.Fatal(err)
	}
	if data, err := regular.ReadIn(dir, "/link", 100); err != nil || len(data) != 100 {
		t.Errorf("by a link: %d bytes, %v", len(data), err)
	}
	if _, err := regular.Read(filepath.Join(dir, "real"), 99); !errors.Is(err, regular.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
}
