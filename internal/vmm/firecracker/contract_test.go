package firecracker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/vmlinux"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// The tier of end-to-end tests that has KVM runs this one.
func TestFirecrackerOnKVMKeepsTheContract(t *testing.T) {
	program := os.Getenv("BANGER_E2E_FIRECRACKER")
	if os.Getenv("BANGER_TEST_KVM") != "1" || program == "" {
		t.Skip("runs in make e2e-kvm, where BANGER_E2E_FIRECRACKER names a Firecracker")
	}
	if kvm := vmm.ThisHost().KVM(); kvm.State != vmm.Good {
		t.Fatal("cannot run here:", kvm.Reason)
	}
	files := testguest.Make(t)
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	vmmtest.Contract(t, vmmtest.Rig{
		New: func() vmm.Driver { return New() },
		Spec: vmm.Spec{
			Name: "contract", Program: program, VCPU: 1, MemoryBytes: 256 << 20,
			Kernel: uncompressed(t, files.Kernel), Initramfs: files.Initramfs,
			Disks: []vmm.Disk{{Name: "disk", Path: disk}},
		},
		Port: testguest.CommandPort, Limit: 5 * time.Minute, Confine: []string{self(t), "confine"}, CannotSave: true,
	})
}

// uncompressed is the ELF kernel in a bzImage.
func uncompressed(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(t.TempDir(), "vmlinux"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vmlinux.Extract(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
