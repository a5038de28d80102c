package kernelstore_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/statedir"
)

func newStore(t *testing.T) (*kernelstore.Store, statedir.Dirs) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	if err := os.MkdirAll(dirs.Kernels(), 0o700); err != nil {
		t.Fatal(err)
	}
	return kernelstore.New(dirs, slog.New(slog.DiscardHandler)), dirs
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put stores a small kernel with all its parts.
func put(t *testing.T, s *kernelstore.Store, name string) kernel.Manifest {
	t.Helper()
	d, err := s.Begin(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	f := d.Files()
	write(t, f.Vmlinux, "kernel")
	initrd, err := d.CreateInitrd()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := initrd.Write([]byte("initrd")); err != nil {
		t.Fatal(err)
	}
	if err := initrd.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, f.Modules, "modules")
	write(t, filepath.Join(f.BootModules, "a.ko"), "a")
	write(t, filepath.Join(f.WorkDir, "deep", "x"), "x")
	m, err := d.Commit(t.Context(), kernel.Manifest{Version: "6.1", BootModules: []string{"a.ko"}, Modules: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCommitCompletesAndPlaces(t *testing.T) {
	s, dirs := newStore(t)
	m := put(t, s, "k")
	if m.Name != "k" || m.Format != kernel.ManifestFormat || m.Initrd == "" || m.ModulesSHA == "" || m.SizeBytes == 0 {
		t.Errorf("manifest %+v", m)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte("kernel"))); m.SHA256 != want {
		t.Errorf("sha256 of vmlinux is %s, want %s", m.SHA256, want)
	}
	got, err := s.Get(t.Context(), "k")
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := os.Stat(dirs.Kernel("k").Work()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the working directory is still there: %v", err)
	}
	if left := names(t, dirs); !cmp.Equal(left, []string{"k"}) {
		t.Errorf("the directory holds %q", left)
	}
}

func names(t *testing.T, dirs statedir.Dirs) []string {
	t.Helper()
	entries, err := os.ReadDir(dirs.Kernels())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSecondCommitOfANameIsConflict(t *testing.T) {
	s, dirs := newStore(t)
	d, err := s.Begin(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Files().Vmlinux, "another")
	first := put(t, s, "k")
	if _, err := d.Commit(t.Context(), kernel.Manifest{Version: "6.2"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("%v, want Conflict", err)
	}
	if err := d.Discard(); err != nil {
		t.Error(err)
	}
	if got, err := s.Get(t.Context(), "k"); err != nil || got.SHA256 != first.SHA256 {
		t.Errorf("%+v, %v; want the first", got, err)
	}
	if left := names(t, dirs); !cmp.Equal(left, []string{"k"}) {
		t.Errorf("the directory holds %q", left)
	}
}

func TestCommitOfNothingFails(t *testing.T) {
	s, dirs := newStore(t)
	d, err := s.Begin(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Commit(t.Context(), kernel.Manifest{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that there is no vmlinux", err)
	}
	if err := d.Discard(); err != nil || len(names(t, dirs)) != 0 {
		t.Errorf("%v, left %q", err, names(t, dirs))
	}
}

func TestSweepRemovesOnlyWhatIsStaged(t *testing.T) {
	s, dirs := newStore(t)
	put(t, s, "k")
	if _, err := s.Begin(t.Context(), "interrupted"); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("listed %v, %v; want one", all, err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if left := names(t, dirs); !cmp.Equal(left, []string{"k"}) {
		t.Errorf("the directory holds %q", left)
	}
}

func TestDamagedKernels(t *testing.T) {
	edit := func(change func(map[string]any)) func(*testing.T, statedir.Kernel) {
		return func(t *testing.T, k statedir.Kernel) {
			data, err := os.ReadFile(k.Manifest())
			if err != nil {
				t.Fatal(err)
			}
			m := map[string]any{}
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			change(m)
			data, err = json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			write(t, k.Manifest(), string(data))
		}
	}
	remove := func(path func(statedir.Kernel) string) func(*testing.T, statedir.Kernel) {
		return func(t *testing.T, k statedir.Kernel) {
			if err := os.RemoveAll(path(k)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, statedir.Kernel)
		code   fault.Code
	}{
		"no manifest":        {remove(statedir.Kernel.Manifest), fault.Unavailable},
		"no vmlinux":         {remove(statedir.Kernel.Vmlinux), fault.Unavailable},
		"a pipe as vmlinux":  {func(t *testing.T, k statedir.Kernel) { pipe(t, k.Vmlinux()) }, fault.Unavailable},
		"a pipe as modules":  {func(t *testing.T, k statedir.Kernel) { pipe(t, k.Modules()) }, fault.Unavailable},
		"a pipe as manifest": {func(t *testing.T, k statedir.Kernel) { pipe(t, k.Manifest()) }, fault.Unavailable},
		"another vmlinux": {func(t *testing.T, k statedir.Kernel) {
			write(t, k.Vmlinux(), "another")
			younger(t, k.Vmlinux())
		}, fault.Unavailable},
		"another boot module": {func(t *testing.T, k statedir.Kernel) {
			write(t, filepath.Join(k.BootModules(), "a.ko"), "another")
			younger(t, filepath.Join(k.BootModules(), "a.ko"))
		}, fault.Unavailable},
		"no modules":       {remove(statedir.Kernel.Modules), fault.Unavailable},
		"no boot modules":  {remove(statedir.Kernel.BootModules), fault.Unavailable},
		"no JSON":          {func(t *testing.T, k statedir.Kernel) { write(t, k.Manifest(), "{") }, fault.Unavailable},
		"no format":        {edit(func(m map[string]any) { delete(m, "format") }), fault.Unavailable},
		"a newer format":   {edit(func(m map[string]any) { m["format"] = 99; m["sha256"] = 7 }), fault.Unavailable},
		"a module outside": {edit(func(m map[string]any) { m["late_modules"] = []string{"../vmlinux"} }), fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s, dirs := newStore(t)
			put(t, s, "good")
			put(t, s, "bad")
			c.damage(t, dirs.Kernel("bad"))
			_, err := s.Get(t.Context(), "bad")
			if fault.CodeOf(err) != c.code || fault.HintOf(err).String() == "" {
				t.Errorf("%v (%s), want %s with a hint", err, fault.CodeOf(err), c.code)
			}
			all, err := s.List(t.Context())
			if err != nil || len(all) != 2 || all[0].Name != "bad" || all[1].Name != "good" {
				t.Fatalf("listed %v, %v; want both", all, err)
			}
			if problem := all[0].Problem; fault.CodeOf(problem) != fault.Unavailable || fault.HintOf(problem).String() == "" || all[1].Problem != nil {
				t.Errorf("the problems are %v and %v", problem, all[1].Problem)
			}
			to := statedir.Kernel(filepath.Join(t.TempDir(), "kernel"))
			if err := s.Link(t.Context(), dirs.Kernel("bad"), to); !errors.Is(err, fault.Unavailable) {
				t.Errorf("a copy of it: %v", err)
			}
			if err := s.Remove(t.Context(), "bad"); err != nil {
				t.Errorf("remove it: %v", err)
			}
			if left := names(t, dirs); !cmp.Equal(left, []string{"good"}) {
				t.Errorf("the directory holds %q", left)
			}
		})
	}
}

func TestReadsChangeNothing(t *testing.T) {
	s, dirs := newStore(t)
	put(t, s, "k")
	if _, err := s.Begin(t.Context(), "staged"); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dirs)
	if _, err := s.Get(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if _, err := s.List(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, snapshot(t, dirs)); diff != "" {
		t.Error(diff)
	}
}

// snapshot is when each file below the kernels was changed last.
func snapshot(t *testing.T, dirs statedir.Dirs) map[string]int64 {
	t.Helper()
	times := map[string]int64{}
	err := filepath.WalkDir(dirs.Kernels(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		times[path] = info.ModTime().UnixNano()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return times
}

func TestOpenSourceDoesNotWaitForAFifo(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "vmlinuz"), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := kernelstore.OpenSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // read only
	info, err := fs.Stat(src, "vmlinuz")
	if err != nil || info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
	if f, err := src.Open("vmlinuz"); !errors.Is(err, fault.Invalid) {
		t.Errorf("opened %v, %v; want Invalid", f, err)
	}
}

// pipe puts one without a writer in the place of a file.
func pipe(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// younger makes a file younger than all others.
func younger(t *testing.T, path string) {
	t.Helper()
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
}

// TestAYoungerFileIsNoDamage: one that was only copied or touched is what it was.
func TestAYoungerFileIsNoDamage(t *testing.T) {
	s, dirs := newStore(t)
	put(t, s, "k")
	younger(t, dirs.Kernel("k").Vmlinux())
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].Problem != nil {
		t.Errorf("%+v, %v", all, err)
	}
}
