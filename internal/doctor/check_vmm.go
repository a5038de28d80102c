package doctor

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// checkVMM tells of the program that machines run on, or would if it were not for
// something else.
func checkVMM(ctx context.Context, w World) verdict {
	chosen, err := w.driver(ctx)
	program, looked := chosen.Fact(vmm.AboutProgram)
	if !looked { // the name is unknown
		return verdict{status: Fail, reason: err.Error(), remedy: fault.HintOf(err)}
	}
	return of(program)
}

// checkKVM tells of KVM, whether or not the configured driver would use it.
func checkKVM(ctx context.Context, w World) verdict {
	for _, f := range w.Look(ctx, w.Settings.Drivers) {
		kvm, looked := f.Fact(vmm.AboutKVM)
		switch {
		case !looked:
		case kvm.State == vmm.Good:
			return of(kvm)
		default:
			return warn(kvm.Remedy, "%s: VMs run on software emulation, several times slower", kvm.Reason)
		}
	}
	return ok("no driver of this build uses KVM")
}

// checkTAP tells of TAP devices, whether or not the configured driver would use
// them. A driver whose program is missing anyway misses nothing by them.
func checkTAP(ctx context.Context, w World) verdict {
	for _, f := range w.Look(ctx, w.Settings.Drivers) {
		tap, looked := f.Fact(vmm.AboutTAP)
		program, _ := f.Fact(vmm.AboutProgram)
		switch {
		case !looked:
		case tap.State == vmm.Good:
			return of(tap)
		case program.State == vmm.Missing:
			return info("%s; only %s would use TAP devices", tap.Reason, f.Driver)
		default:
			return warn(tap.Remedy, "%s: banger cannot use %s", tap.Reason, f.Driver)
		}
	}
	return info("no installed driver uses TAP devices")
}

// checkNesting tells whether guests can run VMs themselves, on the driver that a VM gets
// which is to do so.
func checkNesting(ctx context.Context, w World) verdict {
	if _, err := w.driver(ctx); err != nil {
		return info("unknown without a driver")
	}
	chosen, err := drivers.ChooseFor(w.Look(ctx, w.Settings.Drivers), w.Settings.Drivers.Driver, vmm.Finding.NestingErr)
	if err != nil {
		return info("%s; %s", err, fault.HintOf(err))
	}
	return ok("VMs can run VMs themselves if created as nested, on %s: %s", chosen.Driver, chosen.Nesting.Reason)
}

// checkDriver tells of the choice that a start would make.
func checkDriver(ctx context.Context, w World) verdict {
	chosen, err := w.driver(ctx)
	switch {
	case err != nil:
		return verdict{status: Fail, reason: err.Error(), remedy: fault.HintOf(err)}
	case w.Settings.Drivers.Driver != drivers.Auto:
		return noted(chosen, "as configured")
	default:
		return noted(chosen, "chosen because "+w.whyChosen(ctx, chosen))
	}
}

// lookOnce is look for several checks of one host: a VMM that hangs holds up only
// the first.
func lookOnce(look lookFunc) lookFunc {
	var once sync.Once
	var findings []vmm.Finding
	return func(ctx context.Context, cfg drivers.Config) []vmm.Finding {
		once.Do(func() { findings = look(ctx, cfg) })
		return findings
	}
}

type lookFunc = func(ctx context.Context, cfg drivers.Config) []vmm.Finding

func (w World) driver(ctx context.Context) (vmm.Finding, error) {
	return drivers.Choose(w.Look(ctx, w.Settings.Drivers), w.Settings.Drivers.Driver)
}

// whyChosen is what keeps machines from the drivers before the chosen one; if it
// is the first, the last thing that it looked at.
func (w World) whyChosen(ctx context.Context, chosen vmm.Finding) string {
	var reasons []string
	for _, f := range w.Look(ctx, w.Settings.Drivers) {
		if f.Driver == chosen.Driver {
			break
		}
		if cause, bad := f.Cause(); bad && !slices.Contains(reasons, cause.Reason) {
			reasons = append(reasons, cause.Reason)
		}
	}
	if len(reasons) == 0 {
		return chosen.Facts[len(chosen.Facts)-1].Reason
	}
	return strings.Join(reasons, ", and ")
}

func noted(f vmm.Finding, why string) verdict {
	if f.Note == "" {
		return ok("%s, %s", f.Driver, why)
	}
	return ok("%s, %s; %s", f.Driver, why, f.Note)
}

// of words a fact.
func of(f vmm.Fact) verdict {
	status := map[vmm.State]Status{vmm.Good: OK, vmm.Doubtful: Warn, vmm.Missing: Fail}[f.State]
	return verdict{status: status, reason: f.Reason, remedy: fault.Hintf("%s", f.Remedy)}
}
