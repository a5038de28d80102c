package qemu

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/bangervm/banger/internal/vmm"
)

// memoryBackend is the id of the guest's memory where it is in a file of ours.
const memoryBackend = "memory"

// Shape implements vmm.Driver. The name, kernel and serials are each VM's own: what is saved
// has not looked at its disks yet.
func (d *Driver) Shape(ctx context.Context, spec vmm.Spec) (string, error) {
	khz, err := d.tscKHz(ctx)
	if err != nil {
		return "", fmt.Errorf("measure the CPU's time-stamp counter: %w", err)
	}
	return d.shape(spec, khz)
}

func (d *Driver) shape(spec vmm.Spec, khz int64) (string, error) {
	shaped := spec
	shaped.Name, shaped.Kernel, shaped.Initramfs = "", "", ""
	shaped.Saves, shaped.From = true, nil
	shaped.Disks = nil
	for i, disk := range spec.Disks {
		shaped.Disks = append(shaped.Disks, vmm.Disk{Name: fmt.Sprint("disk", i), ReadOnly: disk.ReadOnly})
	}
	args, err := arguments(shaped, d.kvm, runtime.GOARCH, roughly(khz))
	if err != nil {
		return "", err
	}
	return d.Name() + " " + strings.Join(args, " "), nil
}

// roughly is a rate without the error of its measurement.
func roughly(khz int64) int64 {
	if khz == 0 {
		return 0
	}
	unit := math.Pow10(int(math.Log10(float64(khz))) - 3)
	return int64(math.Round(float64(khz)/unit) * unit)
}

// memoryArguments put the guest's memory into the file that QEMU inherits as fd. A machine
// that is to be saved shares it with us; one that was saved has its own changes.
func memoryArguments(spec vmm.Spec, fd int) []string {
	share := "on"
	if spec.From != nil {
		share = "off"
	}
	return []string{"-object", fmt.Sprintf(
		"memory-backend-file,id=%s,size=%d,mem-path=/proc/self/fd/%d,share=%s", memoryBackend, spec.MemoryBytes, fd, share,
	)}
}
