package rootfs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/rootfs"
)

func TestCreateMakesASparseCleanDisk(t *testing.T) {
	tool(t, "mkfs.ext4")
	dir := t.TempDir()
	disks := rootfs.NewDisks(filepath.Join(dir, "templates"))
	const size = 8 << 30
	for _, name := range []string{"cold.ext4", "warm.ext4"} {
		path := filepath.Join(dir, name)
		start := time.Now()
		if err := disks.Create(t.Context(), path, size); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s took %v", name, time.Since(start))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != size || used > 64<<20 {
			t.Errorf("%s has %d bytes, %d of them on disk", name, info.Size(), used)
		}
		fsck(t, path)
	}
	features := debugfs(t, filepath.Join(dir, "warm.ext4"), "features")
	for _, want := range []string{"has_journal", "resize_inode", "64bit"} {
		if !strings.Contains(features, want) {
			t.Errorf("the disk lacks %s: %s", want, features)
		}
	}
	if root := debugfs(t, filepath.Join(dir, "warm.ext4"), "stat /"); !strings.Contains(root, "User:     0   Group:     0") {
		t.Errorf("the root directory is not root's:\n%s", root)
	}
	if err := disks.Create(t.Context(), filepath.Join(dir, "warm.ext4"), size); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating it again: %v", err)
	}
}

func TestGrowOnlyGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, []byte("guest"), 0o600); err != nil {
		t.Fatal(err)
	}
	disks := rootfs.NewDisks(t.TempDir())
	if err := disks.Grow(t.Context(), path, 1<<30); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 1<<30 {
		t.Errorf("%v, %v", info, err)
	}
	for _, size := range []int64{1 << 20, 1 << 60} {
		if err := disks.Grow(t.Context(), path, size); !errors.Is(err, fault.Invalid) {
			t.Errorf("growing to %d: %v, want a fault Invalid", size, err)
		}
	}
}

func TestCreateRefusesOddSizes(t *testing.T) {
	disks := rootfs.NewDisks(t.TempDir())
	for _, size := range []int64{-1, 0, 1 << 20, 1 << 60} {
		if err := disks.Create(t.Context(), filepath.Join(t.TempDir(), "d"), size); !errors.Is(err, fault.Invalid) {
			t.Errorf("%d bytes: %v, want a fault Invalid", size, err)
		}
	}
}

func TestSweepRemovesUnfinishedTemplates(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "123.staging"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rootfs.NewDisks(dir).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// tmpfs mounts a small filesystem, or skips the test.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		unavailable(t, "a small filesystem cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := tmpfs(t, "2m")
	steps := map[string]func(path string) error{
		"an image": func(path string) error {
			_, err := rootfs.FromTar(t.Context(), bytes.NewReader(makeTar(t, torture())), path, rootfs.Options{})
			return err
		},
		"a template": func(string) error {
			return rootfs.NewDisks(dir).Create(t.Context(), filepath.Join(t.TempDir(), "disk"), 8<<30)
		},
		"a disk": func(path string) error {
			return rootfs.NewDisks(filepath.Join(t.TempDir(), "templates")).Create(t.Context(), path, 512<<30)
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			if name != "an image" {
				tool(t, "mkfs.ext4")
			}
			err := step(filepath.Join(dir, "file"))
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no space left in "+dir) || fault.HintOf(err).String() == "" {
				t.Errorf("error %v (hint %q)", err, fault.HintOf(err).String())
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
