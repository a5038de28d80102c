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
	"github.com/bangervm/banger/internal/vm"
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
			_, err := h.Driver(t.Context(), "", vm.DriverAsk{})
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

func TestADriverIsChosenThatBootsTheKernel(t *testing.T) {
	ask := vm.DriverAsk{Kernel: vm.Kernel{Name: "k", Architecture: "amd64", PVH: true}}
	h := emulating(t, "auto")
	if d, err := h.Driver(t.Context(), "", ask); err != nil || d.Name != "qemu-tcg" {
		t.Errorf("with PVH: %+v, %v", d, err)
	}
	ask.Kernel.PVH = false
	for _, name := range []string{"", "qemu-tcg"} {
		if _, err := h.Driver(t.Context(), name, ask); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "PVH") || fault.HintOf(err).String() == "" {
			t.Errorf("%q, without PVH: %v, hint %q", name, err, fault.HintOf(err).String())
		}
	}
	if _, err := emulating(t, "qemu-kvm").Driver(t.Context(), "", ask); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without a driver: %v", err)
	}
}

// TestAutoPassesOverADriverThatCannotDoWhatIsAsked has a host with KVM, Firecracker and QEMU.
func TestAutoPassesOverADriverThatCannotDoWhatIsAsked(t *testing.T) {
	pvh, linux := vm.Kernel{Name: "k", Architecture: "amd64", PVH: true}, vm.Kernel{Name: "k", Architecture: "amd64"}
	for _, tt := range []struct {
		configured, name string
		ask              vm.DriverAsk
		want, err, hint  string
	}{
		{"auto", "", vm.DriverAsk{Kernel: pvh}, "firecracker", "", ""},
		{"auto", "", vm.DriverAsk{Kernel: linux}, "firecracker", "", ""},
		{"auto", "", vm.DriverAsk{Kernel: pvh, Nested: true}, "qemu-kvm", "", ""},
		{"auto", "", vm.DriverAsk{Kernel: linux, Nested: true}, "firecracker", "cannot nest VMs: Firecracker does not support it", "driver such as qemu-kvm"},
		{"firecracker", "", vm.DriverAsk{Nested: true}, "firecracker", "cannot nest VMs: Firecracker does not support it", "driver such as qemu-kvm"},
		{"auto", "firecracker", vm.DriverAsk{Nested: true}, "firecracker", "cannot nest VMs: Firecracker does not support it", "driver such as qemu-kvm"},
		{"auto", "qemu-kvm", vm.DriverAsk{Kernel: linux}, "qemu-kvm", "no PVH entry point", "CONFIG_PVH=y"},
		{"qemu-kvm", "", vm.DriverAsk{Kernel: linux}, "qemu-kvm", "no PVH entry point", "the driver firecracker"},
	} {
		h := emulating(t, tt.configured)
		h.vmm.OpenRW = func(string) error { return nil }
		h.vmm.ReadHead = func(path string, _ int64) ([]byte, error) {
			if path == "/proc/cpuinfo" {
				return []byte("flags : svm\n"), nil
			}
			return []byte("1\n"), nil
		}
		h.vmm.Namespaces = func(context.Context) error { return nil }
		h.vmm.Version = func(_ context.Context, path string) (string, error) {
			if path == "/usr/bin/firecracker" {
				return "Firecracker v1.16.1", nil
			}
			return "QEMU emulator version 7.2.22", nil
		}
		d, err := h.Driver(t.Context(), tt.name, tt.ask)
		text, hint := "", ""
		if err != nil {
			text, hint = err.Error(), fault.HintOf(err).String()
		}
		if d.Name != tt.want || !strings.Contains(text, tt.err) || (tt.err == "") != (text == "") || !strings.Contains(hint, tt.hint) {
			t.Errorf("%+v: %+v, %v, hint %q", tt, d, err, hint)
		}
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
