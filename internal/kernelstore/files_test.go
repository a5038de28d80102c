package kernelstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
)

func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o700), os.WriteFile(p, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	exe, initrd := path("a/vmlinuz", "exe"), path("b/initrd", "initrd")
	path("mods/6.1.0/kernel/x.ko", "ko")
	modules := filepath.Join(dir, "mods/6.1.0")
	if err := os.Symlink("/etc/passwd", filepath.Join(modules, "escape")); err != nil {
		t.Fatal(err)
	}
	src, m, err := kernelstore.OpenFiles(exe, initrd, modules)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // read only
	for name, want := range map[string]string{m.Kernel: "exe", m.Initrd: "initrd", m.Modules + "/kernel/x.ko": "ko"} {
		if got, err := fs.ReadFile(src, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if filepath.Base(m.Modules) != "6.1.0" {
		t.Errorf("the modules' directory is called %s, which no longer tells the version", m.Modules)
	}
	if info, err := fs.Stat(src, m.Modules); err != nil || !info.IsDir() {
		t.Errorf("%s: %v", m.Modules, err)
	}
	if entries, err := fs.ReadDir(src, m.Modules); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, name := range []string{"nothing", m.Modules + "/escape", "modules", "initrd/x"} {
		if _, err := fs.ReadFile(src, name); err == nil {
			t.Errorf("%s can be read", name)
		}
	}
	for name, test := range map[string]struct {
		exe, initrd, modules string
		want                 fault.Code
	}{
		"no kernel":         {dir + "/no", "", "", fault.NotFound},
		"a directory":       {dir, "", "", fault.Invalid},
		"no initrd":         {exe, dir + "/no", "", fault.NotFound},
		"no modules":        {exe, "", dir + "/no", fault.NotFound},
		"a file of modules": {exe, "", exe, fault.Invalid},
	} {
		if _, _, err := kernelstore.OpenFiles(test.exe, test.initrd, test.modules); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	alone, m, err := kernelstore.OpenFiles(exe, "", "")
	if err != nil || m.Initrd != "" || m.Modules != "" || alone.Close() != nil {
		t.Errorf("without the rest: %+v, %v", m, err)
	}
}

func TestBeginInMakesAKernelOutsideTheCatalog(t *testing.T) {
	s, _ := newStore(t)
	place := filepath.Join(t.TempDir(), "kernel")
	d, err := s.BeginIn(t.Context(), "k", place)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Files().Vmlinux, "kernel")
	if _, err := d.Commit(t.Context(), kernel.Manifest{Version: "6.1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(place, "vmlinux")); err != nil {
		t.Error(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("the catalog has %v, %v", all, err)
	}
}
