package firecracker

import (
	"context"
	"io"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// errNoSave says that this driver saves no machines.
func errNoSave() error {
	return fault.New(fault.Unavailable, "the driver firecracker cannot save machines yet")
}

// Shape implements vmm.Driver.
func (*Driver) Shape(vmm.Spec) (string, error) { return "", errNoSave() }

// Suspend implements vmm.Machine.
func (*Machine) Suspend(context.Context, io.Writer) (vmm.Suspension, error) {
	return vmm.Suspension{}, fault.New(fault.Unavailable, "the driver firecracker cannot suspend machines yet")
}

// Save implements vmm.Machine.
func (m *Machine) Save(context.Context) (vmm.Saved, error) {
	_ = m.Signal(syscall.SIGKILL)
	return vmm.Saved{}, errNoSave()
}
