// Package qemu runs machines on QEMU's microvm: the process, its QMP socket,
// and the agent channel by Firecracker's hybrid vsock contract.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/bangervm/banger/internal/vmm"
)

// Driver implements vmm.Driver.
type Driver struct {
	kvm bool
	tsc *tscClock // nil where no guest needs the rate
	err error     // why tsc cannot be used
}

// KVM returns the driver that runs guests on the processor.
func KVM() *Driver { return &Driver{kvm: true} }

// TCG returns the driver that emulates the processor. It measures this host from
// now on: the earlier it is made, the sooner its first machine starts.
func TCG() *Driver {
	d := &Driver{}
	if haveTSC {
		d.tsc, d.err = newTSCClock(markTSC)
	}
	return d
}

// Name implements vmm.Driver.
func (d *Driver) Name() string {
	if d.kvm {
		return "qemu-kvm"
	}
	return "qemu-tcg"
}

// Start implements vmm.Driver.
func (d *Driver) Start(ctx context.Context, spec vmm.Spec, site vmm.Site) (vmm.Machine, error) {
	khz, err := d.tscKHz(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure the CPU's time-stamp counter: %w", err)
	}
	shape, err := d.Shape(spec)
	if err != nil {
		return nil, err
	}
	if spec.From != nil {
		if err := spec.From.Check(shape, khz, spec.MemoryBytes); err != nil {
			return nil, err
		}
	}
	if spec.Resume != nil {
		if err := spec.Resume.Check(shape, khz); err != nil {
			return nil, err
		}
		khz = spec.Resume.TSCKHz // the guest goes on with what it was told
	}
	args, err := arguments(spec, d.kvm, runtime.GOARCH, khz)
	if err != nil {
		return nil, err
	}
	m := &Machine{site: site, shape: shape, tscKHz: khz, events: make(chan vmm.Event, 16)}
	limit := startLimit
	if spec.Resume != nil {
		limit = suspendLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := m.launch(ctx, d, spec, args); err != nil {
		m.removeSockets()
		return nil, errors.Join(err, m.closeMemory())
	}
	go m.watch()
	return m, nil
}

// Sweep implements vmm.Driver.
func (*Driver) Sweep(string, vmm.Spec) error { return nil }

// tscKHz is what a guest must be told of the time-stamp counter, 0: nothing.
func (d *Driver) tscKHz(ctx context.Context) (int64, error) {
	switch {
	case d.err != nil:
		return 0, d.err
	case d.tsc == nil:
		return 0, nil
	default:
		return d.tsc.kHz(ctx)
	}
}
