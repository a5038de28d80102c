package daemon

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/doctor"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm/qemu"
)

// host implements vm.Host.
type host struct {
	dirs statedir.Dirs
	set  *settings
}

func (h host) Facts(ctx context.Context) (vm.HostFacts, error) {
	return hostinfo.Facts(ctx, h.dirs.VMs())
}

// Driver chooses by the configuration, or else hardware before software.
func (h host) Driver(ctx context.Context) (vm.Driver, error) {
	cfg := h.set.of(ctx)
	vmm, err := qemu.Find(cfg.QEMU)
	if err != nil {
		return vm.Driver{}, err
	}
	name := cfg.Driver
	switch kvm := qemu.KVM(); {
	case name == vm.DriverQEMUKVM && kvm != nil:
		return vm.Driver{}, fault.Wrap(fault.Unavailable, kvm, "driver %s is configured but cannot be used", name).
			WithHint("set driver to auto or qemu-tcg in config.toml, or BANGER_DRIVER")
	case name == "auto" && kvm == nil:
		name = vm.DriverQEMUKVM
	case name == "auto":
		name = vm.DriverQEMUTCG
	}
	return vm.Driver{Name: name, VMM: vmm}, nil
}

// preflight is the doctor's checks that matter before a VM is created or started.
func (h host) preflight(self, agent string) func(context.Context) error {
	world := doctor.Host(h.dirs, h.dirs.Socket(), doctor.Settings{})
	world.Executable = self
	world.Output = rememberVersions(world.Output)
	return func(ctx context.Context) error {
		cfg, world := h.set.of(ctx), world
		world.Settings = doctor.Settings{Driver: cfg.Driver, QEMU: cfg.QEMU, Agent: agent, MemoryBytes: int64(cfg.VM.Memory)}
		return doctor.Preflight(ctx, world)
	}
}

// rememberVersions keeps what a program answers to --version for as long as it
// is the same file: QEMU loads a hundred libraries to say it, which every start
// of a VM would wait for.
func rememberVersions(output programOutput) programOutput {
	type program struct {
		path    string
		size    int64
		changed time.Time
	}
	var mu sync.Mutex
	var last program
	var answer string
	return func(ctx context.Context, name string, args ...string) (string, error) {
		info, err := os.Stat(name)
		if err != nil || !slices.Equal(args, []string{"--version"}) {
			return output(ctx, name, args...)
		}
		asked := program{path: name, size: info.Size(), changed: info.ModTime()}
		mu.Lock()
		defer mu.Unlock()
		if asked == last {
			return answer, nil
		}
		out, err := output(ctx, name, args...)
		if err == nil {
			last, answer = asked, out
		}
		return out, err
	}
}

// programOutput runs a program that only prints.
type programOutput = func(ctx context.Context, name string, args ...string) (string, error)
