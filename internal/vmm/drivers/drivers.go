// Package drivers is the one list of the drivers of this build, and the choice
// between them.
package drivers

import (
	"context"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/firecracker"
	"github.com/bangervm/banger/internal/vmm/qemu"
)

// Auto stands for the first driver that can run machines on the host.
const Auto = "auto"

// Config is what the configuration says of drivers.
type Config struct {
	Driver string // a driver's name, or Auto
	QEMU   string // path or name of QEMU; empty: found
	// Firecracker is the path or name of Firecracker; empty: found.
	Firecracker string
	Jailer      bool // Firecracker runs by its jailer
}

// entry is a driver, and the configured path or name of its VMM.
type entry struct {
	vmm.Driver
	program string
}

// all are the drivers in the order in which Auto tries them: hardware before
// software.
func all(cfg Config) []entry {
	fc := firecracker.New()
	if cfg.Jailer {
		fc = firecracker.Jailed()
	}
	return []entry{
		{fc, cfg.Firecracker},
		{qemu.KVM(), cfg.QEMU},
		{qemu.TCG(), cfg.QEMU},
	}
}

// Names are the names of all drivers, in the order in which Auto tries them.
func Names() []string {
	var names []string
	for _, d := range all(Config{}) {
		names = append(names, d.Name())
	}
	return names
}

// Named returns a driver. A name that this build does not know is Invalid.
func Named(name string) (vmm.Driver, error) {
	for _, d := range all(Config{}) {
		if d.Name() == name {
			return d.Driver, nil
		}
	}
	return nil, unknown(name)
}

func unknown(name string) error {
	return fault.New(fault.Invalid, "this build has no driver %q", name).
		WithHint("set driver to %s or %s", Auto, strings.Join(Names(), " or "))
}

// Needs is what the executable of a driver's VMM needs of the host.
func Needs(name, program string) (vmm.Needs, error) {
	d, err := Named(name)
	if err != nil {
		return vmm.Needs{}, err
	}
	return d.Needs(program), nil
}

// Sweep removes what a machine left whose monitor has ended: see vmm.Driver.
func Sweep(name, dir string, spec vmm.Spec) error {
	d, err := Named(name)
	if err != nil {
		return err
	}
	return d.Sweep(dir, spec)
}

// Look says what each driver finds of the host, in the order in which Auto tries
// them.
func Look(ctx context.Context, host *vmm.Host, cfg Config) []vmm.Finding {
	var findings []vmm.Finding
	for _, d := range all(cfg) {
		findings = append(findings, d.Look(ctx, host, d.program))
	}
	if cfg.Jailer {
		return jailed(findings)
	}
	return findings
}

// jailed refuses the drivers that have no jail. Those that have one come last, to be
// blamed when there is none that can be used.
func jailed(findings []vmm.Finding) []vmm.Finding {
	var without, with []vmm.Finding
	for _, f := range findings {
		if _, has := f.Fact(vmm.AboutJail); has {
			with = append(with, f)
			continue
		}
		f.Facts = append([]vmm.Fact{{
			About: vmm.AboutJail, State: vmm.Missing,
			Reason: "jailer is true, and " + f.Driver + " has no jailer",
			Remedy: "set jailer = false in config.toml",
		}}, f.Facts...)
		without = append(without, f)
	}
	return append(without, with...)
}

// Choose returns the finding of the driver that machines run on: the named one, or
// for Auto the first that can run them. When there is none the fault is Unavailable
// and the finding is the one to blame: the named driver's, or for Auto the last
// one's, which asks least of the host. A name without a finding is Invalid.
func Choose(findings []vmm.Finding, name string) (vmm.Finding, error) {
	var last vmm.Finding
	for _, f := range findings {
		if name == f.Driver {
			return f, named(f, findings)
		}
		if last = f; name == Auto && f.Err() == nil {
			return f, nil
		}
	}
	if name == Auto {
		return last, last.Err()
	}
	return vmm.Finding{}, unknown(name)
}

// ChooseFor is Choose for a machine that not all drivers can run. suits says why one of
// them cannot. Auto passes over those; when that leaves none, the first is to blame.
func ChooseFor(findings []vmm.Finding, name string, suits func(vmm.Finding) error) (vmm.Finding, error) {
	chosen, err := Choose(findings, name)
	if err != nil {
		return chosen, err
	}
	unsuited := suits(chosen)
	if name != Auto || unsuited == nil {
		return chosen, unsuited
	}
	for _, f := range findings {
		if f.Err() == nil && suits(f) == nil {
			return f, nil
		}
	}
	return chosen, unsuited
}

// Of returns the finding of a driver. When it cannot run machines the fault is
// Unavailable; a name without a finding is Invalid.
func Of(findings []vmm.Finding, name string) (vmm.Finding, error) {
	for _, f := range findings {
		if name == f.Driver {
			return f, f.Err()
		}
	}
	return vmm.Finding{}, unknown(name)
}

// named is why the driver that the user named cannot be used.
func named(f vmm.Finding, others []vmm.Finding) error {
	cause, bad := f.Cause()
	if !bad {
		return nil
	}
	remedy := cause.Remedy
	if _, err := Choose(others, Auto); err == nil {
		remedy += `, or set driver = "` + Auto + `"`
	}
	return fault.New(fault.Unavailable, "cannot use the configured driver %s: %s", f.Driver, cause.Reason).WithHint("%s", remedy)
}
