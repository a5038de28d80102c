package kernel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/kmod"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmlinux"
)

// catalog is a kernel.Service on real adapters, but for the filesystem of the
// modules: mkfs keeps the tar stream.
type catalog struct {
	*kernel.Service
	dirs  statedir.Dirs
	users users
	now   time.Time
	mkfs  kmod.MakeFilesystem
	deps  kernel.Deps
}

// reopen starts again on the directories, as a daemon does.
func (c *catalog) reopen() {
	c.deps.Store = kernelstore.New(c.dirs, slog.New(slog.DiscardHandler))
	if c.deps.Bundles != nil {
		c.deps.Bundles = unpacker{download.New(c.dirs.Downloads(), download.Options{})}
	}
	c.Service = kernel.NewService(c.deps)
}

type users map[string][]string

// Release is part of kernel.Users. Who is "busy" cannot have their own kernel.
func (u users) Release(_ context.Context, name string) ([]string, error) {
	if slices.Contains(u[name], "busy") {
		return nil, fault.New(fault.Conflict, "kernel %s is used by busy", name)
	}
	return u[name], nil
}

func newCatalog(t *testing.T) *catalog {
	t.Helper()
	c := &catalog{
		dirs:  statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()},
		users: users{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), mkfs: keepTar,
	}
	if err := os.MkdirAll(c.dirs.Kernels(), 0o700); err != nil {
		t.Fatal(err)
	}
	c.deps = kernel.Deps{
		Store:       kernelstore.New(c.dirs, slog.New(slog.DiscardHandler)),
		Executables: vmlinux.Executables{},
		Modules: kmod.New(func(ctx context.Context, tar io.Reader, path string) error {
			return c.mkfs(ctx, tar, path)
		}),
		Users: c.users, Open: kernelstore.OpenSource,
		Now: func() time.Time { return c.now }, Architecture: "amd64",
	}
	c.Service = kernel.NewService(c.deps)
	return c
}

func keepTar(_ context.Context, tar io.Reader, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, tar)
	return errors.Join(err, f.Close())
}

func onDisk(t *testing.T, tree fstest.MapFS) string {
	t.Helper()
	dir := t.TempDir()
	if err := kerneltest.Write(dir, tree); err != nil {
		t.Fatal(err)
	}
	return dir
}

func needDepmod(t *testing.T) {
	t.Helper()
	if _, err := kmod.FindDepmod(); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// stages is an operation.Progress that keeps the names of the stages.
type stages struct {
	mu    sync.Mutex
	names []string
	on    func(name string)
}

func (s *stages) Stage(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	if s.on != nil {
		s.on(name)
	}
}
func (*stages) Detail(string, ...any)      {}
func (*stages) Count(int64, int64, string) {}
