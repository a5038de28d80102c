package guestfiles

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestReadAPartOfAFile(t *testing.T) {
	g, dir := newSFTP(t), t.TempDir()
	name := filepath.Join(dir, "f")
	write(t, name, "0123456789", 0o640)
	for _, c := range []struct {
		offset int64
		limit  int
		want   string
	}{{0, 4, "0123"}, {8, 4, "89"}, {10, 4, ""}, {99, 4, ""}} {
		data, info, err := g.files.read(name, c.offset, c.limit)
		if err != nil || string(data) != c.want || info.Size != 10 || info.Mode != 0o640 {
			t.Errorf("%d bytes from %d: %q, %+v, %v", c.limit, c.offset, data, info, err)
		}
	}
	if _, _, err := g.files.read(dir, 0, 1); !errors.Is(err, fault.Invalid) {
		t.Errorf("a directory was read: %v", err)
	}
	if _, _, err := g.files.read("/dev/null", 0, 1); !errors.Is(err, fault.Invalid) {
		t.Errorf("a device was read: %v", err)
	}
	if _, _, err := g.files.read(name+"x", 0, 1); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestWriteReplacesWhatALinkLeadsTo(t *testing.T) {
	g, dir := newSFTP(t), t.TempDir()
	name, link := filepath.Join(dir, "f"), filepath.Join(dir, "l")
	write(t, name, "old", 0o751)
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	if created, err := g.files.write(t.Context(), Write{Path: link, Data: []byte("new")}); created || err != nil {
		t.Fatal(created, err)
	}
	info, err := os.Lstat(name)
	if err != nil || info.Mode() != 0o751 || read(t, name) != "new" {
		t.Errorf("%q with mode %v, %v", read(t, name), info.Mode(), err)
	}
	if to, err := os.Readlink(link); to != "f" {
		t.Errorf("the link is gone: %q, %v", to, err)
	}
}

func TestWriteMakesAFile(t *testing.T) {
	g, dir := newSFTP(t), t.TempDir()
	name, mode := filepath.Join(dir, "a", "b", "f"), fs.FileMode(0o600)
	_, err := g.files.write(t.Context(), Write{Path: name})
	if !errors.Is(err, fault.NotFound) || !errors.Is(err, ErrNoDirectory) || !strings.Contains(fault.HintOf(err).String(), filepath.Dir(name)+" first") {
		t.Errorf("no directory: %v", err)
	}
	if created, err := g.files.write(t.Context(), Write{Path: name, Data: []byte("x"), Mode: &mode, Parents: true}); !created || err != nil {
		t.Fatal(created, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != mode {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	g, dir := newSFTP(t), t.TempDir()
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, loop, "/dev/null"} {
		if _, err := g.files.write(t.Context(), Write{Path: name}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteCanceledLeavesTheOldFile(t *testing.T) {
	g, dir := newSFTP(t), t.TempDir()
	name := filepath.Join(dir, "f")
	write(t, name, "old", 0o644)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.files.write(ctx, Write{Path: name, Data: []byte("new")}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || read(t, name) != "old" {
		t.Errorf("%q, and %v, %v", read(t, name), entries, err)
	}
}
