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
}

// New returns the driver.
func New() *Driver { return &Driver{limits: usualLimits(), waits: unannounced()} }

// Name implements vmm.Driver.
func (*Driver) Name() string { return "firecracker" }

// maxVCPUs is Firecracker's MAX_SUPPORTED_VCPUS.
const maxVCPUs = 32

const mib = 1 << 20

// Start implements vmm.Driver.
func (d *Driver) Start(ctx context.Context, spec vmm.Spec, site vmm.Site) (vmm.Machine, error) {
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
	serials, err := diskSerials(spec.Disks)
	if err != nil {
		return nil, err
	}
	m := &Machine{
		site: site, serials: serials, events: make(chan vmm.Event, 16),
		waits: d.waits, turn: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := m.launch(ctx, d, spec); err != nil {
		m.removeSockets()
		return nil, err
	}
	m.watch(ctx)
	return m, nil
}
