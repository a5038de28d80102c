package monitor

import (
	"io"
	"log/slog"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm/qemu"
)

func TestFakeKeepsTheContract(t *testing.T) {
	contract(t, func(*testing.T) Machine { return newFakeMachine() })
}

func TestQEMUKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts QEMU")
	}
	files := testguest.Make(t)
	contract(t, func(t *testing.T) Machine {
		tsc, err := qemu.NewTSCClock()
		if err != nil {
			t.Fatal(err)
		}
		driver := &qemu.Driver{Run: t.TempDir(), Console: io.Discard, TSC: tsc, Log: slog.New(slog.DiscardHandler)}
		m, err := driver.Start(t.Context(), vm.Spec{
			Name: "contract", Driver: vm.DriverQEMUTCG, VMM: files.VMM, VCPU: 1, MemoryBytes: 256 << 20,
			Kernel: files.Kernel, Initramfs: files.Initramfs,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = m.Signal(syscall.SIGKILL)
			for range m.Events() {
			}
		})
		return m
	})
}
