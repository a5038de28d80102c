package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/doctor"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
)

// emulating is a host without KVM.
func emulating(t *testing.T, driver string) host {
	t.Helper()
	cfg := config.Default()
	cfg.Driver = driver
	return host{dirs: statedir.Dirs{State: t.TempDir(), Config: t.TempDir()}, set: &settings{latest: cfg}, vmm: &vmm.Host{
		Arch: "amd64", User: "ann", LookPath: func(name string) (string, error) { return "/usr/bin/" + name, nil },
		Version: func(context.Context, string) (string, error) { return "QEMU emulator version 7.2.22", nil },
		OpenRW:  func(string) error { return fs.ErrNotExist },
	}}
}

// What a start refuses, the doctor says too, in the same words.
func TestTheDoctorBlamesWhatTheStartBlames(t *testing.T) {
	for name, change := range map[string]func(*vmm.Host){
		"KVM":  func(*vmm.Host) {},
		"QEMU": func(h *vmm.Host) { h.LookPath = func(string) (string, error) { return "", exec.ErrNotFound } },
		"a QEMU that dies": func(h *vmm.Host) {
			h.Version = func(context.Context, string) (string, error) { return "", errors.New("boom") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := emulating(t, "qemu-kvm")
			change(h.vmm)
			_, err := h.Driver(t.Context(), "")
			if !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "" {
				t.Fatalf("%v, hint %q", err, fault.HintOf(err).String())
			}
			world := doctor.Host(h.dirs, h.dirs.Socket(), h.vmm, doctor.Settings{Drivers: h.set.latest.Drivers()})
			for _, f := range doctor.Run(t.Context(), world).Checks {
				if f.Name == "driver" && (f.Status != doctor.Fail || f.Reason != err.Error() || f.Remedy.String() != fault.HintOf(err).String()) {
					t.Errorf("the doctor says %+v; the start says %v, hint %q", f, err, fault.HintOf(err).String())
				}
			}
		})
	}
}

func TestTheChosenDriverDecidesWhatBoots(t *testing.T) {
	kernel := vmm.Kernel{Name: "k", Architecture: "amd64", PVH: true}
	h := emulating(t, "auto")
	if err := h.boots(t.Context(), kernel); err != nil {
		t.Error(err)
	}
	kernel.PVH = false
	if err := h.boots(t.Context(), kernel); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "PVH") {
		t.Errorf("without PVH: %v", err)
	}
	h = emulating(t, "qemu-kvm")
	if err := h.boots(t.Context(), kernel); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without a driver: %v", err)
	}
}

// A VMM that hangs does not hold up every command.
func TestAHangingVMMHasNoName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := emulating(t, "auto")
		if got := h.driverName(t.Context()); got != "qemu-tcg" {
			t.Errorf("the driver is %q", got)
		}
		h.vmm.Version = func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		if got := h.driverName(t.Context()); got != "" {
			t.Errorf("the driver is %q", got)
		}
	})
}
