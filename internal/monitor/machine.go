package monitor

import (
	"context"

	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// starter starts the VM's machine and returns when the VMM answers, while the
// guest boots. ctx bounds the start only.
type starter func(ctx context.Context) (vmm.Machine, error)

// machineSpec is the part of a VM's spec that a driver needs: nothing of the
// guest's identity.
func machineSpec(spec vm.Spec) vmm.Spec {
	m := vmm.Spec{
		Name: spec.Name, Program: spec.VMM, VCPU: spec.VCPU, Nested: spec.Nested, MemoryBytes: spec.MemoryBytes,
		Kernel: spec.Kernel, Initramfs: spec.Initramfs, CmdlineExtra: spec.CmdlineExtra, JailUID: spec.JailUID, Saves: spec.Saves,
	}
	for _, d := range spec.Disks {
		m.Disks = append(m.Disks, vmm.Disk{Name: d.Serial, Path: d.Path, ReadOnly: d.ReadOnly, Pin: (*vmm.Pin)(d.Pin)})
	}
	if spec.Network != nil {
		m.NIC = &vmm.NIC{MAC: spec.Network.MAC, MTU: spec.Network.MTU}
	}
	return m
}
