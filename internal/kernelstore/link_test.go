package kernelstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

func TestLinkOutlivesTheKernel(t *testing.T) {
	s, dirs := newStore(t)
	want := put(t, s, "k")
	vm := dirs.VM("v1")
	if err := os.MkdirAll(string(vm), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Link(t.Context(), dirs.Kernel("k"), vm.Kernel()); err != nil {
		t.Fatal(err)
	}
	one, err1 := os.Stat(dirs.Kernel("k").Vmlinux())
	two, err2 := os.Stat(vm.Kernel().Vmlinux())
	if err1 != nil || err2 != nil || !os.SameFile(one, two) {
		t.Errorf("vmlinux takes its place on the disk twice: %v, %v", err1, err2)
	}
	if err := s.Remove(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(t.Context(), vm.Kernel())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	for _, name := range slices.Concat(want.BootModules, want.LateModules) {
		if _, err := os.Stat(filepath.Join(vm.Kernel().BootModules(), name)); err != nil {
			t.Error(err)
		}
	}
	// What is there stays, whatever a kernel of that name is now.
	if err := s.Link(t.Context(), dirs.Kernel("k"), vm.Kernel()); err != nil {
		t.Errorf("again: %v", err)
	}
	if left, err := os.ReadDir(string(vm)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestLinkOfNoKernelLeavesNothing(t *testing.T) {
	s, dirs := newStore(t)
	to := statedir.Kernel(filepath.Join(t.TempDir(), "kernel"))
	if err := s.Link(t.Context(), dirs.Kernel("none"), to); !errors.Is(err, fault.NotFound) {
		t.Errorf("error %v, want NotFound", err)
	}
	put(t, s, "k")
	if err := os.Remove(dirs.Kernel("k").Vmlinux()); err != nil {
		t.Fatal(err)
	}
	if err := s.Link(t.Context(), dirs.Kernel("k"), to); err == nil {
		t.Error("a kernel without vmlinux was linked")
	}
	if left, err := os.ReadDir(filepath.Dir(string(to))); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestCopyWhereThereAreNoLinks: another filesystem has none to this one's files.
func TestCopyWhereThereAreNoLinks(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "banger-link-") //nolint:usetesting // it must be on another filesystem
	if err != nil {
		t.Skip("no second filesystem: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	s, dirs := newStore(t)
	put(t, s, "k")
	to := statedir.Kernel(filepath.Join(other, "kernel"))
	if err := s.Link(t.Context(), dirs.Kernel("k"), to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to.Vmlinux()); err != nil || string(got) != "kernel" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReplaceIsOneStep(t *testing.T) {
	s, dirs := newStore(t)
	put(t, s, "k")
	d, err := s.Begin(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Files().Vmlinux, "another")
	m, err := d.Replace(t.Context(), kernel.Manifest{Version: "6.2"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dirs.Kernel("k").Vmlinux()); err != nil || string(got) != "another" || m.Name != "k" {
		t.Errorf("vmlinux %q, %v; %+v", got, err, m)
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dirs.Kernels()); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestRelinkReplacesTheKernel(t *testing.T) {
	s, dirs := newStore(t)
	put(t, s, "old")
	d, err := s.Begin(t.Context(), "new")
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Files().Vmlinux, "newer")
	if _, err := d.Commit(t.Context(), kernel.Manifest{Version: "6.2"}); err != nil {
		t.Fatal(err)
	}
	to := statedir.Kernel(filepath.Join(t.TempDir(), "kernel"))
	for _, name := range []string{"old", "new"} {
		if err := s.Relink(t.Context(), dirs.Kernel(name), to); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := s.Read(t.Context(), to); err != nil || m.Version != "6.2" {
		t.Errorf("%+v, %v", m, err)
	}
	if err := s.Relink(t.Context(), dirs.Kernel("none"), to); !errors.Is(err, fault.NotFound) {
		t.Errorf("of none: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(string(to))); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}
