// Package firecracker runs machines on Firecracker: the process, its API, and how its
// machines end.
package firecracker

import (
	"context"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// Driver implements vmm.Driver.
type Driver struct {
	limits limits
	waits  patience // with a guest that does not announce its end
	jailer bool
}

// New returns the driver.
func New() *Driver { return &Driver{limits: usualLimits(), waits: unannounced()} }

// Jailed returns the driver that also looks whether Firecracker can run by its jailer, as the
// machines do whose Spec says so.
func Jailed() *Driver {
	d := New()
	d.jailer = true
	return d
}

// Name implements vmm.Driver.
func (*Driver) Name() string { return "firecracker" }

// maxVCPUs is Firecracker's MAX_SUPPORTED_VCPUS.
const maxVCPUs = 32

const mib = 1 << 20

// Start implements vmm.Driver.
func (d *Driver) Start(ctx context.Context, spec vmm.Spec, site vmm.Site) (vmm.Machine, error) {
	if spec.Saves || spec.From != nil || spec.Resume != nil {
		return nil, errNoSave()
	}
	if spec.VCPU > maxVCPUs {
		return nil, fault.New(fault.Invalid, "a VM on Firecracker cannot have %d vCPUs", spec.VCPU).
			WithHint("use %d or less, or another driver", maxVCPUs)
	}
	if n := len(commandLine(spec, true)); n >= maxCommandLine {
		return nil, fault.New(fault.Invalid, "the kernel's command line has %d bytes, Firecracker takes fewer than %d", n, maxCommandLine)
	}
	if spec.NIC != nil && len(site.Confine) == 0 {
		return nil, fault.New(fault.Internal, "a network card of Firecracker's needs the step that confines it")
	}
	m := &Machine{
		site: site, dir: site.Dir, events: make(chan vmm.Event, 16),
		waits: d.waits, turn: make(chan struct{}, 1),
	}
	disks := spec.Disks
	if spec.JailUID != 0 {
		var err error
		if m.jail, spec, err = furnish(spec, site); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "cannot make the jail")
		}
		m.dir, disks = m.jail.Root(), m.jail.outside(spec.Disks)
	}
	var err error
	if m.serials, err = diskSerials(disks); err != nil {
		m.clearJail()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := m.launch(ctx, d, spec); err != nil {
		m.removeSockets()
		m.clearJail()
		return nil, err
	}
	m.watch(ctx)
	return m, nil
}
