package configure

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// TestTheImagesVolumesAreThere: what is at their paths stays, one that cannot be made
// hinders no other, and none is outside the tree.
func TestTheImagesVolumesAreThere(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "old"), 0o700),
		os.WriteFile(filepath.Join(root, "file"), nil, 0o600),
		os.Symlink("../../..", filepath.Join(root, "up")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := &configuring{tree: tree{root: root}, cfg: &agentrpc.Configure{
		Volumes: []string{"/file/below", "/old", "../escaped", "/up/linked", "/a/b"},
	}}
	if err := c.imageVolumes(t.Context()); err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("error %v", err)
	}
	for _, made := range []string{"escaped", "linked", "a/b"} {
		if info, err := os.Stat(filepath.Join(root, made)); err != nil || !info.IsDir() || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", made, info, err)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "old")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("old: %v, %v", info, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("outside: %v, %v", names, err)
	}
}

// TestVolumeBeginsWithTheImagesContent fails for a volume that covers what the
// image has at its path, and for one that is filled again.
func TestVolumeBeginsWithTheImagesContent(t *testing.T) {
	dir := t.TempDir()
	target, source := filepath.Join(dir, "image"), filepath.Join(dir, "volumes", "docker")
	at := time.Unix(1_600_000_000, 0)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(target, "sub"), 0o755),
		os.WriteFile(filepath.Join(target, "sub", "a"), []byte("pre"), 0o640),
		os.Link(filepath.Join(target, "sub", "a"), filepath.Join(target, "b")),
		os.Symlink("/nowhere", filepath.Join(target, "link")),
		syscall.Mkfifo(filepath.Join(target, "fifo"), 0o600),
		os.Chmod(filepath.Join(target, "sub"), os.ModeSetgid|0o750),
		os.Chtimes(filepath.Join(target, "sub"), at, at),
		os.Chmod(target, 0o710),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := fillVolume(t.Context(), target, source); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(source, "b")); err != nil || string(data) != "pre" {
		t.Errorf("b = %q, %v", data, err)
	}
	a, errA := os.Stat(filepath.Join(source, "sub", "a"))
	b, errB := os.Stat(filepath.Join(source, "b"))
	if errA != nil || errB != nil || !os.SameFile(a, b) || a.Mode() != 0o640 {
		t.Errorf("a and b are %v and %v, %v, %v", a, b, errA, errB)
	}
	if to, err := os.Readlink(filepath.Join(source, "link")); err != nil || to != "/nowhere" {
		t.Errorf("link = %q, %v", to, err)
	}
	if info, err := os.Lstat(filepath.Join(source, "fifo")); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("fifo = %v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(source, "sub")); err != nil || info.Mode() != os.ModeDir|os.ModeSetgid|0o750 || !info.ModTime().Equal(at) {
		t.Errorf("sub = %v at %v, %v", info.Mode(), info.ModTime(), err)
	}
	if info, err := os.Stat(source); err != nil || info.Mode().Perm() != 0o710 {
		t.Errorf("the volume = %v, %v", info.Mode(), err)
	}

	if err := os.Remove(filepath.Join(source, "b")); err != nil {
		t.Fatal(err)
	}
	if err := fillVolume(t.Context(), target, source); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(source, "b")); !os.IsNotExist(err) {
		t.Errorf("a volume that was there is filled again: %v", err)
	}
}

func TestVolumeLeavesNothingWhenItIsTooMuch(t *testing.T) {
	for name, limit := range map[string]bounds{"bytes": {bytes: 9, entries: 10}, "entries": {bytes: 100, entries: 2}} {
		from, to := t.TempDir(), t.TempDir()
		for _, file := range []string{"a", "b"} {
			if err := os.WriteFile(filepath.Join(from, file), []byte("12345"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := copyTree(t.Context(), from, to, limit); err == nil || !strings.Contains(err.Error(), "too m") {
			t.Errorf("%s: %v", name, err)
		}
		if err := copyTree(t.Context(), from, t.TempDir(), bounds{bytes: 10, entries: 3}); err != nil {
			t.Errorf("what fits: %v", err)
		}
	}
}

// TestVolumeIsWholeOrAbsent fails for a volume that an interrupted copy leaves, as
// the next start would take it for filled.
func TestVolumeIsWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	target, source := filepath.Join(dir, "image"), filepath.Join(dir, "volumes", "docker")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(target, "sub"), 0o755),
		os.MkdirAll(filepath.Join(source+".staging", "half"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := fillVolume(t.Context(), target, source); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(source); err != nil || len(names) != 1 || names[0].Name() != "sub" {
		t.Errorf("the volume has %v, %v", names, err)
	}
}
