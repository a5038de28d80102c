package daemon

import (
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// TestRestoreOfAnImagesKernel: the same kernel is found where it is still whole; without
// one the local kernel of the name takes its place.
func TestRestoreOfAnImagesKernel(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	dirs.Cache = dirs.State
	quiet := slog.New(slog.DiscardHandler)
	own := dirs.Image("aaaaaaaaaaaa").Kernel()
	baseImage(t, dirs)
	for _, dir := range []string{dirs.Kernels(), string(dirs.VM("v"))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(t.Context(), dirs.Database())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store := kernelstore.New(dirs, quiet)
	k := imageKernels{
		service: kernel.NewService(kernel.Deps{Store: store}), store: store, dirs: dirs,
		images: imagesOf(dirs, imagestore.New(dirs, quiet), quiet), vms: db.VMs(),
	}
	bring := func(name, content string) {
		t.Helper()
		draft, err := store.Begin(t.Context(), name)
		if err == nil {
			err = os.WriteFile(draft.Files().Vmlinux, []byte(content), 0o600)
		}
		if err == nil {
			_, err = draft.Commit(t.Context(), kernel.Manifest{Version: content})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	bring("k", "one")
	if err := k.Keep(t.Context(), "k", string(own)); err != nil {
		t.Fatal(err)
	}
	if err := db.VMs().Insert(t.Context(), vm.VM{ID: "v", Name: "v", ImageID: "aaaaaaaaaaaa", VCPU: 1, MemoryBytes: 1, DiskBytes: 1, State: vm.Stopped}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(string(dirs.VM("v").Kernel()), os.DirFS(string(own))); err != nil {
		t.Fatal(err)
	}
	damage := func() {
		t.Helper()
		if err := errors.Join(os.Chmod(own.Vmlinux(), 0o600), os.WriteFile(own.Vmlinux(), []byte("bad"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	restored := func(want string) {
		t.Helper()
		if err := k.Restore(t.Context(), "aaaaaaaaaaaa", "k", operation.Discard{}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(own.Vmlinux()); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		if err := k.Verify(t.Context(), "aaaaaaaaaaaa"); err != nil {
			t.Error(err)
		}
	}
	damage() // the local kernel too: it is one file
	restored("one")
	if err := os.Remove(own.Vmlinux()); err != nil {
		t.Fatal(err)
	}
	restored("one")
	damage() // now that of the VM too
	if err := k.Restore(t.Context(), "aaaaaaaaaaaa", "k", operation.Discard{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without a whole copy: %v", err)
	}
	if err := store.Remove(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	bring("k", "two")
	restored("two")
}

var _ image.Kernels = imageKernels{}
