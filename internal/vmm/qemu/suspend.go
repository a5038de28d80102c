package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// suspendLimit bounds the time in which a machine is written with all of its memory, or read.
	suspendLimit = 10 * time.Minute
	// cancelLimit bounds the end of a migration that is given up.
	cancelLimit = 5 * time.Second
	// bandwidth is more than any disk takes, in bytes a second: else QEMU holds back.
	bandwidth = 64 << 30
)

// Suspend implements vmm.Machine. QEMU writes to a pipe: it gets no file of the host's, and what it
// writes ends where to does.
func (m *Machine) Suspend(ctx context.Context, to io.Writer) (vmm.Suspension, error) {
	ctx, cancel := context.WithTimeout(ctx, suspendLimit)
	defer cancel()
	ran, err := m.running(ctx)
	if err == nil {
		err = m.Pause(ctx) // QEMU syncs the disks then
	}
	if err == nil {
		err = m.writeState(ctx, to)
	}
	if err != nil {
		if ran {
			err = errors.Join(err, m.Resume(context.WithoutCancel(ctx)))
		}
		return vmm.Suspension{}, fault.Wrap(fault.Unavailable, err, "cannot suspend the machine")
	}
	return vmm.Suspension{Shape: m.shape, TSCKHz: m.tscKHz}, nil
}

// running reports whether the CPUs run.
func (m *Machine) running(ctx context.Context) (bool, error) {
	answer, err := m.qmp.query(ctx, "query-status", nil)
	if err != nil {
		return false, err
	}
	var status struct {
		Running bool `json:"running"`
	}
	if err := json.Unmarshal(answer, &status); err != nil {
		return false, fmt.Errorf("read QEMU's status: %w", err)
	}
	return status.Running, nil
}

// writeState returns when all of the machine has been written to to.
func (m *Machine) writeState(ctx context.Context, to io.Writer) error {
	if err := m.qmp.execute(ctx, "migrate-set-parameters", map[string]int64{"max-bandwidth": bandwidth}); err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if _, err := io.Copy(to, out); err != nil {
			cancel(err)
		}
		_ = out.Close() // QEMU sees it, and so it fails
	}()
	err = m.migrate(ctx, "migrate", in, false)
	_ = in.Close()
	if err != nil && ctx.Err() != nil {
		err = m.cancelMigration(ctx)
		_ = out.Close()
	}
	<-copied
	return errors.Join(err, context.Cause(ctx))
}

// cancelMigration has QEMU write no more.
func (m *Machine) cancelMigration(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelLimit)
	defer cancel()
	return m.qmp.execute(ctx, "migrate_cancel", nil)
}

// goOnResumed loads a whole machine, and lets it run once nobody else can.
func (m *Machine) goOnResumed(ctx context.Context, from *vmm.Suspended) error {
	if err := m.migrate(ctx, "migrate-incoming", from.From, false); err != nil {
		return err
	}
	if err := from.Claim(); err != nil {
		return err
	}
	return m.qmp.execute(ctx, "cont", nil)
}
