package qemu

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// maxFiles bounds QEMU's descriptors, and maxThreads its threads beside those of
	// the virtual CPUs: those that read and write disks.
	maxFiles   = 256
	maxThreads = 192
	// ownMemory is what QEMU may have beside the guest's memory, in bytes: about 100 MiB
	// for itself, the rest for the page cache of its disks. translatedCode is for emulation.
	ownMemory      = 512 << 20
	translatedCode = 256 << 20
	// leastFile is what a file may have, in bytes, where there is no disk to write.
	leastFile = 1 << 20
)

// Needs implements vmm.Driver. QEMU has its data and modules in directories of its
// family's name.
func (d *Driver) Needs(program string) vmm.Needs {
	n := vmm.Needs{
		Read:    confine.ProgramFiles(program, "qemu"),
		Devices: []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"},
		Threads: maxThreads, MemoryBytes: ownMemory,
	}
	if d.kvm {
		n.Devices = append(n.Devices, vmm.KVMDevice)
	} else {
		n.MemoryBytes += translatedCode
	}
	return n
}

// plan is what QEMU needs of the host. All else it inherits as open descriptors.
func (d *Driver) plan(spec vmm.Spec, disks []*os.File) (confine.Plan, error) {
	needs := d.Needs(spec.Program)
	p := confine.Plan{
		Read:    append(needs.Read, spec.Kernel, spec.Initramfs),
		Devices: needs.Devices,
		Files:   maxFiles, Processes: int64(spec.VCPU) + maxThreads, FileBytes: leastFile,
		NoSockets: true, Env: []string{"PATH=/usr/bin:/bin"},
	}
	if spec.Saves {
		p.FileBytes = vmm.MaxSavedState
	}
	for i, disk := range disks {
		if spec.Disks[i].ReadOnly {
			continue
		}
		info, err := disk.Stat()
		if err != nil {
			return p, fmt.Errorf("look at a disk: %w", err)
		}
		size := info.Size()
		if !info.Mode().IsRegular() {
			size = math.MaxInt64
		}
		p.FileBytes = max(p.FileBytes, size)
	}
	return p, nil
}

// openDisks opens the disks in their order. The caller closes them.
func openDisks(disks []vmm.Disk) ([]*os.File, error) {
	var files []*os.File
	for _, disk := range disks {
		f, err := disk.Open()
		if err != nil {
			return nil, errors.Join(err, closeFiles(files))
		}
		files = append(files, f)
	}
	return files, nil
}

func closeFiles(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
