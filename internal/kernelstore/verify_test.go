package kernelstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// TestVerify: a change of any file is found.
func TestVerify(t *testing.T) {
	for name, damage := range map[string]func(statedir.Kernel) error{
		"vmlinux":          func(k statedir.Kernel) error { return rewrite(k.Vmlinux()) },
		"initrd":           func(k statedir.Kernel) error { return rewrite(k.Initrd()) },
		"modules":          func(k statedir.Kernel) error { return rewrite(k.Modules()) },
		"a boot module":    func(k statedir.Kernel) error { return rewrite(filepath.Join(k.BootModules(), "a.ko")) },
		"a missing file":   func(k statedir.Kernel) error { return os.Remove(k.Vmlinux()) },
		"the manifest":     func(k statedir.Kernel) error { return rewrite(k.Manifest()) },
		"no manifest":      func(k statedir.Kernel) error { return os.Remove(k.Manifest()) },
		"a missing module": func(k statedir.Kernel) error { return os.Remove(filepath.Join(k.BootModules(), "a.ko")) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dirs := newStore(t)
			put(t, s, "k")
			if err := s.Verify(t.Context(), dirs.Kernel("k")); err != nil {
				t.Fatalf("a whole one: %v", err)
			}
			if err := damage(dirs.Kernel("k")); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), dirs.Kernel("k")); !errors.Is(err, fault.Unavailable) {
				t.Errorf("%v, want Unavailable", err)
			}
			_, err := s.Look(dirs.Kernel("k"))
			if missing := strings.Contains(name, "missing") || strings.Contains(name, "manifest"); errors.Is(err, fault.Unavailable) != missing {
				t.Errorf("a look: %v", err)
			}
		})
	}
	s, dirs := newStore(t)
	if err := s.Verify(t.Context(), dirs.Kernel("none")); !errors.Is(err, fault.NotFound) {
		t.Errorf("none: %v", err)
	}
	if _, err := s.Look(dirs.Kernel("none")); !errors.Is(err, fault.NotFound) {
		t.Errorf("a look at none: %v", err)
	}
}

// rewrite changes a file and keeps its length.
func rewrite(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[0] ^= 1
	return errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600))
}
