package vmmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// savedState is the whole state of a machine without a VMM.
const savedState = "vmmtest: a machine without a VMM"

// Shape implements vmm.Driver.
func (Driver) Shape(spec vmm.Spec) (string, error) {
	return fmt.Sprintf("vmmtest: %d CPUs, %d bytes, %d disks, a NIC %t", spec.VCPU, spec.MemoryBytes, len(spec.Disks), spec.NIC != nil), nil
}

// Save implements vmm.Machine. What NewMachine made has nothing to be saved.
func (m *Machine) Save(ctx context.Context) (vmm.Saved, error) {
	saved, err := m.save(ctx)
	if err != nil {
		_ = m.Signal(syscall.SIGKILL)
		return vmm.Saved{}, err
	}
	m.End(vmm.Exit{Cause: vmm.HostShutdown, Detail: "saved"})
	return saved, nil
}

func (m *Machine) save(ctx context.Context) (vmm.Saved, error) {
	m.mu.Lock()
	ended := m.ended
	m.mu.Unlock()
	switch {
	case ended:
		return vmm.Saved{}, errEnded
	case m.saves == nil:
		return vmm.Saved{}, fault.New(fault.Unavailable, "the machine was not started to be saved")
	default:
		return m.saves(ctx)
	}
}

// saver saves machines of this Spec.
func saver(spec vmm.Spec) func(context.Context) (vmm.Saved, error) {
	if !spec.Saves {
		return nil
	}
	return func(context.Context) (vmm.Saved, error) {
		shape, err := Driver{}.Shape(spec)
		if err != nil {
			return vmm.Saved{}, err
		}
		return Saved(shape, savedState, spec.MemoryBytes)
	}
}

// Saved is a saved machine with this state, whose memory is a hole.
func Saved(shape, state string, memoryBytes int64) (vmm.Saved, error) {
	saved := vmm.Saved{Shape: shape}
	for _, f := range []struct {
		name  string
		bytes int64
		file  **os.File
	}{{"state", int64(len(state)), &saved.State}, {"memory", memoryBytes, &saved.Memory}} {
		file, err := vmm.NewMemoryFile(f.name, f.bytes)
		if err != nil {
			return vmm.Saved{}, errors.Join(err, saved.Close())
		}
		*f.file = file
	}
	_, err := saved.State.WriteAt([]byte(state), 0)
	if err := errors.Join(err, vmm.Seal(saved.State), vmm.Seal(saved.Memory)); err != nil {
		return vmm.Saved{}, errors.Join(err, saved.Close())
	}
	return saved, nil
}

// goesOn returns nil if a machine of the spec can go on from what it names.
func goesOn(spec vmm.Spec) error {
	if spec.From == nil {
		return nil
	}
	shape, err := Driver{}.Shape(spec)
	if err != nil {
		return err
	}
	if err := spec.From.Check(shape, 0, spec.MemoryBytes); err != nil {
		return err
	}
	state := make([]byte, len(savedState))
	if _, err := spec.From.State.ReadAt(state, 0); err != nil || string(state) != savedState {
		return fault.New(fault.Unavailable, "cannot go on from the saved machine: its state is %q", state)
	}
	return nil
}
