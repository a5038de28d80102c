package kernelstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/kernel"
)

func TestTheFilesOfABundleTakeTheirPlaces(t *testing.T) {
	s, _ := newStore(t)
	d, err := s.Begin(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := d.BundleDir()
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Files().Vmlinux, "kernel") // extracted from the bundle's
	write(t, filepath.Join(dir, kernel.BundleModules), "modules")
	write(t, filepath.Join(dir, kernel.BundleBootModules, "a.ko"), "a")
	if err := d.TakeBundle(); err != nil { // it has no initrd
		t.Fatal(err)
	}
	m, err := d.Commit(t.Context(), kernel.Manifest{Version: "6.1", BootModules: []string{"a.ko"}, Modules: 1})
	if err != nil || m.SHA256 == "" || m.ModulesSHA == "" || m.Initrd != "" {
		t.Errorf("committed %+v, %v", m, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bundle's directory is still there: %v", err)
	}
}
