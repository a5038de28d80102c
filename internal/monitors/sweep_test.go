package monitors

import (
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestTheJailOfACrashedMonitorIsSweptWhenItIsFoundGone(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	var swept []vmm.Spec
	l := New(dirs, []string{"/none"}, slog.New(slog.DiscardHandler)).Sweeps(func(driver, dir string, spec vmm.Spec) error {
		if driver != "firecracker" || dir != dirs.VM("a").Run() {
			t.Errorf("swept %s in %s", driver, dir)
		}
		swept = append(swept, spec)
		return nil
	})
	spec := vm.Spec{
		Format: vm.SpecFormat, VMID: "a", Driver: "firecracker", VMM: "/fc", JailUID: 7,
		Disks: []vm.Disk{{Serial: vm.SerialVM, Path: "/disk"}},
	}
	write := func() {
		t.Helper()
		if err := os.MkdirAll(dirs.VM("a").Run(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeSpec(dirs.VM("a"), spec); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if _, err := l.Adopt(t.Context(), "a"); !errors.Is(err, fault.NotFound) { // as when the daemon starts
		t.Fatal(err)
	}
	if err := l.End(t.Context(), "a"); err != nil { // as when the VM is deleted, or the host was booted
		t.Fatal(err)
	}
	if len(swept) != 2 || swept[0].JailUID != 7 || swept[0].Program != "/fc" || len(swept[0].Disks) != 1 || swept[0].Disks[0].Path != "/disk" {
		t.Errorf("swept %+v", swept)
	}
	spec.JailUID = 0
	write()
	if _, err := l.Adopt(t.Context(), "a"); !errors.Is(err, fault.NotFound) || len(swept) != 2 {
		t.Errorf("a machine without a jail was swept: %v, %v", swept, err)
	}
}
