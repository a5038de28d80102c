package diskclone_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/diskclone"
	"github.com/bangervm/banger/internal/fault"
)

// sparse makes a file of 64 MiB with data at its start and in its middle, and a hole at its end.
func sparse(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "disk")
	content = make([]byte, 64<<20)
	copy(content, bytes.Repeat([]byte("head"), 1<<18))
	copy(content[32<<20:], bytes.Repeat([]byte("body"), 5<<20/2))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, first := f.WriteAt(content[:1<<20], 0)
	_, second := f.WriteAt(content[32<<20:42<<20], 32<<20)
	if err := errors.Join(first, second, f.Truncate(64<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestACopyHasTheContentAndTheHoles(t *testing.T) {
	src, content := sparse(t)
	dst := filepath.Join(t.TempDir(), "copy")
	var told []int64
	err := diskclone.Clone(t.Context(), src, dst, diskclone.Options{NoReflink: true, Told: func(done, total int64) {
		if total < 11<<20 || total > 12<<20 {
			t.Errorf("the copy is said to take %d bytes", total)
		}
		told = append(told, done)
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dst)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the copy differs (%v)", err)
	}
	info, err := os.Stat(dst)
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 12<<20 {
		t.Errorf("the copy takes %d bytes: its holes are filled", used)
	}
	if len(told) < 3 || told[0] != 0 || told[len(told)-1] < 11<<20 {
		t.Errorf("told %v", told)
	}
}

func TestACopyThatEndsLeavesNothing(t *testing.T) {
	src, _ := sparse(t)
	dst := filepath.Join(t.TempDir(), "copy")
	ctx, cancel := context.WithCancel(t.Context())
	err := diskclone.Clone(ctx, src, dst, diskclone.Options{NoReflink: true, Told: func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Clone = %v", err)
	}
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is left: %v", err)
	}
}

func TestWhatIsInTheWayStays(t *testing.T) {
	src, _ := sparse(t)
	dst := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(dst, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := diskclone.Clone(t.Context(), src, dst, diskclone.Options{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("Clone = %v", err)
	}
	if got, _ := os.ReadFile(dst); string(got) != "mine" {
		t.Error("the file was changed")
	}
}

func TestCheckSpaceSaysBothSizes(t *testing.T) {
	err := diskclone.CheckSpace(t.TempDir(), 1<<60)
	if !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "" {
		t.Errorf("CheckSpace = %v", err)
	}
	if err := diskclone.CheckSpace(t.TempDir(), 0); err != nil {
		t.Errorf("no bytes: %v", err)
	}
}
