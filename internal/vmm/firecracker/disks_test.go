package firecracker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

func TestDisksAreKnownByTheirFiles(t *testing.T) {
	dir := t.TempDir()
	var disks []vmm.Disk
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		disks = append(disks, vmm.Disk{Name: name, Path: path})
	}
	serials, err := diskSerials(disks)
	if err != nil {
		t.Fatal(err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(disks[0].Path, &stat); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d%d%d", stat.Dev, stat.Rdev, stat.Ino)
	if serials["a"] != want[:min(20, len(want))] || serials["a"] == serials["b"] {
		t.Errorf("%v, want %s", serials, want)
	}
	if got := serialOf(64513, 0, 281474976710657123); got != "64513028147497671065" {
		t.Errorf("a long one is %s", got)
	}
	disks[1].Path = disks[0].Path
	if _, err := diskSerials(disks); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "cannot tell b from a") {
		t.Errorf("two of the same: %v", err)
	}
}

// TestADiskThatChangesDuringTheStartIsNotBooted has one that is as it was when the driver
// looks first, before Firecracker opens it.
func TestADiskThatChangesDuringTheStartIsNotBooted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	spec := fake(t, "spoil="+path)
	spec.Disks[0].Path, spec.Disks[0].Pin = path, vmmtest.Pinned(t, path)
	if _, err := start(t, New(), spec); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), path+" has changed") {
		t.Errorf("%v", err)
	}
}
