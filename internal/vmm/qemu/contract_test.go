package qemu_test

import (
	"os"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/qemu"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

func TestQEMUKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts QEMU")
	}
	keepsTheContract(t, func() vmm.Driver { return qemu.TCG() })
}

// On most hosts the emulation's test says enough; the tier of end-to-end tests that
// has KVM runs this one.
func TestQEMUOnKVMKeepsTheContract(t *testing.T) {
	if os.Getenv("BANGER_TEST_KVM") != "1" {
		t.Skip("runs in make e2e-kvm")
	}
	if kvm := vmm.ThisHost().KVM(); kvm.State != vmm.Good {
		t.Fatal("cannot run here:", kvm.Reason)
	}
	keepsTheContract(t, func() vmm.Driver { return qemu.KVM() })
}

func keepsTheContract(t *testing.T, driver func() vmm.Driver) {
	files := testguest.Make(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	vmmtest.Contract(t, vmmtest.Rig{
		New: driver,
		Spec: vmm.Spec{
			Name: "contract", Program: files.VMM, VCPU: 1, MemoryBytes: 256 << 20,
			Kernel: files.Kernel, Initramfs: files.Initramfs,
		},
		Port: testguest.CommandPort, Limit: 2 * time.Minute, Confine: []string{self, "confine"},
	})
}
