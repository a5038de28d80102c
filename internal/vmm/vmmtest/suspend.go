package vmmtest

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// Suspend implements vmm.Machine.
func (m *Machine) Suspend(ctx context.Context, to io.Writer) (vmm.Suspension, error) {
	m.mu.Lock()
	ran := !m.paused
	m.mu.Unlock()
	if err := m.Pause(ctx); err != nil {
		return vmm.Suspension{}, err
	}
	_, err := io.WriteString(to, savedState)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ran {
			_ = m.Resume(context.WithoutCancel(ctx))
		}
		return vmm.Suspension{}, fault.Wrap(fault.Unavailable, err, "cannot suspend the machine")
	}
	return vmm.Suspension{Shape: m.Shape}, nil
}

// resumes returns nil if a machine of the spec can go on from the suspended one that it names, and
// has claimed that.
func resumes(spec vmm.Spec) error {
	if spec.Resume == nil {
		return nil
	}
	shape, err := Driver{}.Shape(spec)
	if err != nil {
		return err
	}
	if err := spec.Resume.Check(shape, 0); err != nil {
		return err
	}
	state := make([]byte, len(savedState))
	if _, err := io.ReadFull(spec.Resume.From, state); err != nil || string(state) != savedState {
		return fault.New(fault.Unavailable, "cannot go on from the saved machine: its state is %q", state)
	}
	if err := spec.Resume.Claim(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot go on from the saved machine")
	}
	return nil
}
