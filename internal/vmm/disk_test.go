package vmm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// pinned is a file, and the disk that it is to be.
func pinned(t *testing.T) vmm.Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rootfs.ext4")
	if err := os.WriteFile(path, []byte("as registered"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys, _ := info.Sys().(*syscall.Stat_t)
	return vmm.Disk{Name: "image", Path: path, ReadOnly: true, Pin: &vmm.Pin{Bytes: info.Size(), ModifiedAt: info.ModTime(), Inode: sys.Ino}}
}

func TestAPinnedDiskOpens(t *testing.T) {
	f, err := pinned(t).Open()
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// TestADiskThatChanged does not open, however little of it is another.
func TestADiskThatChanged(t *testing.T) {
	for name, change := range map[string]func(d vmm.Disk) error{
		"its size": func(d vmm.Disk) error {
			return errors.Join(os.Truncate(d.Path, 5), os.Chtimes(d.Path, time.Time{}, d.Pin.ModifiedAt))
		},
		"its time": func(d vmm.Disk) error { return os.Chtimes(d.Path, time.Time{}, d.Pin.ModifiedAt.Add(time.Nanosecond)) },
		"its inode": func(d vmm.Disk) error {
			other := d.Path + "2"
			return errors.Join(os.WriteFile(other, []byte("as registerex"), 0o600), os.Chtimes(other, time.Time{}, d.Pin.ModifiedAt), os.Rename(other, d.Path))
		},
		"a pipe in its place": func(d vmm.Disk) error { return errors.Join(os.Remove(d.Path), syscall.Mkfifo(d.Path, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := pinned(t)
			if err := change(d); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Open(); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has changed since it was registered") {
				t.Errorf("error %v", err)
			}
			d.Pin = nil
			if f, err := d.Open(); err != nil {
				t.Errorf("without a pin: %v", err)
			} else {
				_ = f.Close()
			}
		})
	}
}
