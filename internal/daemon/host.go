package daemon

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/doctor"
	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// host implements vm.Host.
type host struct {
	dirs statedir.Dirs
	set  *settings
	vmm  *vmm.Host
}

func (h host) Facts(ctx context.Context) (vm.HostFacts, error) {
	return hostinfo.Facts(ctx, h.dirs.VMs())
}

// Driver chooses the named one; without a name by the configuration, or else hardware
// before software.
func (h host) Driver(ctx context.Context, name string) (vm.Driver, error) {
	cfg := h.set.of(ctx).Drivers()
	findings := drivers.Look(ctx, h.vmm, cfg)
	found, err := drivers.Of(findings, name)
	if name == "" {
		found, err = drivers.Choose(findings, cfg.Driver)
	}
	if ctx.Err() != nil {
		return vm.Driver{}, ctx.Err() // a look that was cut short says nothing of the host
	}
	driver := vm.Driver{Name: found.Driver, VMM: found.Program, NoNesting: found.NestingErr()}
	if _, jailed := found.Fact(vmm.AboutJail); jailed {
		driver.JailFirstUID = h.set.of(ctx).JailerFirstUID
	}
	return driver, err
}

// boots returns nil if the driver of the machines that are started now boots this
// kernel.
func (h host) boots(ctx context.Context, k vmm.Kernel) error {
	chosen, err := h.Driver(ctx, "")
	if err != nil {
		return err
	}
	driver, err := drivers.Named(chosen.Name)
	if err != nil {
		return err
	}
	return driver.Boots(k)
}

// driverNameLimit bounds how long a VMM may hold up an answer that only tells the
// driver's name.
const driverNameLimit = time.Second

// driverName is empty when there is no driver, or it is not known in time.
func (h host) driverName(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, driverNameLimit)
	defer cancel()
	driver, err := h.Driver(ctx, "")
	if err != nil {
		return ""
	}
	return driver.Name
}

// preflight is the doctor's checks that matter before a VM is created or started.
func (h host) preflight(self, agent string) func(context.Context) error {
	world := doctor.Host(h.dirs, h.dirs.Socket(), h.vmm, doctor.Settings{})
	world.Executable = self
	return func(ctx context.Context) error {
		cfg, world := h.set.of(ctx), world
		world.Settings = doctor.Settings{Drivers: cfg.Drivers(), Agent: agent, MemoryBytes: int64(cfg.VM.Memory)}
		return doctor.Preflight(ctx, world)
	}
}
