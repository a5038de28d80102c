package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// TestReleaseGivesWhatIsOfEarlierBuildsItsOwnKernel: VMs and images from before they
// had one. Only a machine that runs since then must be restarted first.
func TestReleaseGivesWhatIsOfEarlierBuildsItsOwnKernel(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	if err := os.MkdirAll(dirs.Kernels(), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), dirs.Database())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	store := kernelstore.New(dirs, log)
	draft, err := store.Begin(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(draft.Files().Vmlinux, []byte("kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := draft.Commit(t.Context(), kernel.Manifest{Version: "6.1"}); err != nil {
		t.Fatal(err)
	}
	images := imagestore.New(dirs, log)
	staging, err := images.Stage(t.Context(), "0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(staging.RootfsPath(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = staging.Commit(image.Manifest{Format: image.ManifestFormat, ID: "0123456789ab", Names: []image.Name{{Name: "debian"}}, Kernel: "k"})
	if err != nil {
		t.Fatal(err)
	}
	vms := db.VMs()
	for i, v := range []vm.VM{
		{ID: "00000000000000a1", Name: "stopped", Kernel: "k", State: vm.Stopped},
		{ID: "00000000000000a2", Name: "running", Kernel: "k", State: vm.Running},
		{ID: "00000000000000a3", Name: "elsewhere", Kernel: "other", State: vm.Running},
	} {
		v.Index, v.VCPU, v.MemoryBytes, v.DiskBytes = 300+i, 1, 1<<30, 1<<30
		if err := errors.Join(vms.Insert(t.Context(), v), os.MkdirAll(string(dirs.VM(v.ID)), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	catalog := image.NewService(images, nil, nil, nil, time.Now, log)
	u := kernelUsers{vms: vms, images: func() *image.Service { return catalog }, store: store, dirs: dirs}

	if users, err := u.Release(t.Context(), "k"); !errors.Is(err, fault.Conflict) {
		t.Errorf("%q, %v; want Conflict: a machine runs on the kernel's own files", users, err)
	}
	_, err = vms.Update(t.Context(), "00000000000000a2", func(v *vm.VM) error {
		v.State = vm.Stopped
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	users, err := u.Release(t.Context(), "k")
	if want := []string{"VM stopped", "VM running", "image debian"}; err != nil || !slices.Equal(users, want) {
		t.Errorf("users %q, %v; want %q", users, err, want)
	}
	for _, dir := range []statedir.Kernel{dirs.VM("00000000000000a1").Kernel(), dirs.VM("00000000000000a2").Kernel(), dirs.Image("0123456789ab").Kernel()} {
		if m, err := store.Read(t.Context(), dir); err != nil || m.Version != "6.1" {
			t.Errorf("%s: %+v, %v", dir, m, err)
		}
	}
	if _, err := os.Stat(filepath.Join(string(dirs.VM("00000000000000a3")), "kernel")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a VM of another kernel: %v", err)
	}
}
