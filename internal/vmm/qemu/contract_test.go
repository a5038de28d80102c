package qemu_test

import (
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
	files := testguest.Make(t)
	vmmtest.Contract(t, vmmtest.Rig{
		New: func() vmm.Driver { return qemu.TCG() },
		Spec: vmm.Spec{
			Name: "contract", Program: files.VMM, VCPU: 1, MemoryBytes: 256 << 20,
			Kernel: files.Kernel, Initramfs: files.Initramfs,
		},
		Port: testguest.CommandPort, Limit: 2 * time.Minute,
	})
}
