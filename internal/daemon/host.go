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

// Driver chooses the named one; without a name by the configuration, or else the first
// that can do what is asked, hardware before software.
func (h host) Driver(ctx context.Context, name string, ask vm.DriverAsk) (vm.Driver, error) {
	cfg := h.set.of(ctx).Drivers()
	findings := drivers.Look(ctx, h.vmm, cfg)
	found, err := drivers.Of(findings, name)
	switch {
	case name == "":
		found, err = drivers.ChooseFor(findings, cfg.Driver, suits(ask))
	case err == nil:
		err = suits(ask)(found)
	}
	if ctx.Err() != nil {
		return vm.Driver{}, ctx.Err() // a look that was cut short says nothing of the host
	}
	driver := vm.Driver{Name: found.Driver, VMM: found.Program, ConsoleCosts: found.ConsoleCosts}
	if _, jailed := found.Fact(vmm.AboutJail); jailed {
		driver.JailFirstUID = h.set.of(ctx).JailerFirstUID
	}
	return driver, err
}

// suits tells why a driver that can run machines cannot run this one.
func suits(ask vm.DriverAsk) func(vmm.Finding) error {
	return func(f vmm.Finding) error {
		if ask.Nested {
			if err := f.NestingErr(); err != nil {
				return err
			}
		}
		if ask.Kernel.Name == "" {
			return nil
		}
		driver, err := drivers.Named(f.Driver)
		if err != nil {
			return err
		}
		return driver.Boots(vmm.Kernel{Name: ask.Kernel.Name, Architecture: ask.Kernel.Architecture, PVH: ask.Kernel.PVH})
	}
}

// driverNameLimit bounds how long a VMM may hold up an answer that only tells the
// driver's name.
const driverNameLimit = time.Second

// driverName is empty when there is no driver, or it is not known in time.
func (h host) driverName(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, driverNameLimit)
	defer cancel()
	driver, err := h.Driver(ctx, "", vm.DriverAsk{})
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
