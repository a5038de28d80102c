package firecracker

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/tap"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// maxFiles bounds Firecracker's descriptors: it keeps at most 1,023 connections by
	// vsock. maxThreads bounds its threads beside those of the virtual CPUs.
	maxFiles   = 1200
	maxThreads = 16
	// ownMemory is what it may have beside the guest's memory, in bytes: a few MiB for
	// itself, the rest for the page cache of its disks.
	ownMemory = 512 << 20
	// leastFile is what a file may have, in bytes, where there is no disk to write.
	leastFile = 1 << 20
	// tapName is the guest's card in Firecracker's network namespace.
	tapName = "tap0"
	// maxID bounds Firecracker's name for a machine, in bytes.
	maxID = 64
)

// Needs implements vmm.Driver. The process that starts Firecracker looks at its threads:
// see readCPUs.
func (d *Driver) Needs(program string) vmm.Needs {
	return vmm.Needs{
		Read:    append(confine.ProgramFiles(program, "firecracker"), procDir),
		Devices: []string{vmm.KVMDevice, tap.ControlDevice, "/dev/null", "/dev/urandom"},
		Opens:   true,
		Threads: maxThreads, MemoryBytes: ownMemory,
	}
}

// plan is what Firecracker itself needs of the host. It opens the disks and makes its sockets
// itself; its own seccomp filters, which are left on, bound what it does with these.
func (d *Driver) plan(spec vmm.Spec) (confine.Plan, error) {
	needs := d.Needs(spec.Program)
	p := confine.Plan{
		Read:      append(confine.ProgramFiles(spec.Program, "firecracker"), spec.Kernel, spec.Initramfs),
		Devices:   needs.Devices,
		SocketsIn: []string{"."},
		Files:     maxFiles, Processes: int64(spec.VCPU) + maxThreads, FileBytes: leastFile,
		Env: []string{"PATH=/usr/bin:/bin"},
	}
	if spec.NIC != nil {
		p.TAP = &tap.Device{Name: tapName, MTU: spec.NIC.MTU}
	}
	for _, disk := range spec.Disks {
		if disk.ReadOnly {
			p.Read = append(p.Read, disk.Path)
			continue
		}
		info, err := os.Stat(disk.Path)
		if err != nil {
			return p, fmt.Errorf("look at a disk: %w", err)
		}
		size := info.Size()
		if !info.Mode().IsRegular() {
			size = math.MaxInt64
		}
		p.FileBytes = max(p.FileBytes, size)
		p.Write = append(p.Write, disk.Path)
	}
	return p, nil
}

// instanceID is the name of a machine as Firecracker takes it: letters, digits and -.
func instanceID(name string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	return id[:min(len(id), maxID)]
}
