package qemu

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/bangervm/banger/internal/vmm"
)

// memoryBackend is the id of the guest's memory: the same for all machines, since a suspended one
// goes on with memory of another kind than it was started with.
const memoryBackend = "memory"

// saidTSC stands for whatever rate a guest is told: Saved.TSCKHz has it.
const saidTSC = 1

// Shape implements vmm.Driver. The name, kernel and serials are each VM's own: what is saved
// has not looked at its disks yet.
func (d *Driver) Shape(spec vmm.Spec) (string, error) {
	shaped := spec
	shaped.Name, shaped.Kernel, shaped.Initramfs = "", "", ""
	shaped.Saves, shaped.From, shaped.Resume = true, nil, nil
	shaped.Disks = nil
	for i, disk := range spec.Disks {
		shaped.Disks = append(shaped.Disks, vmm.Disk{Name: fmt.Sprint("disk", i), ReadOnly: disk.ReadOnly})
	}
	var khz int64
	if d.tsc != nil {
		khz = saidTSC
	}
	args, err := arguments(shaped, d.kvm, runtime.GOARCH, khz)
	if err != nil {
		return "", err
	}
	return d.Name() + " " + strings.Join(args, " "), nil
}

// memoryArguments put the guest's memory into the file that QEMU inherits as fd, if there is one.
// A machine that is to be saved shares it with us; one that was saved has its own changes.
func memoryArguments(spec vmm.Spec, fd int) []string {
	if !inFile(spec) {
		return []string{"-object", fmt.Sprintf("memory-backend-ram,id=%s,size=%d", memoryBackend, spec.MemoryBytes)}
	}
	share := "on"
	if spec.From != nil {
		share = "off"
	}
	return []string{"-object", fmt.Sprintf(
		"memory-backend-file,id=%s,size=%d,mem-path=/proc/self/fd/%d,share=%s", memoryBackend, spec.MemoryBytes, fd, share,
	)}
}
