// Package doctor checks the host for everything that banger needs, with the daemon
// up or down. It only reads: nothing that it does changes a file or starts a
// process that keeps running.
package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// Status is the outcome of one check.
type Status string

// The outcomes. Info means that something is off, missing or unknown, with which
// nothing is wrong; Warn, that banger works, but not as well as it could, or not for
// long; Fail, that a VM cannot be created or started.
const (
	OK   Status = "ok"
	Info Status = "info"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what one check says.
type Finding struct {
	Name   string
	Status Status
	Reason string
	// Remedy is what to do or to change; empty when the status is OK or Info.
	Remedy fault.Hint
}

// Report is the outcome of all checks; Status is the worst of theirs, with OK for Info.
type Report struct {
	Status Status
	Checks []Finding
}

// Check is one thing to examine.
type Check struct {
	// Name is stable, lower case with dashes; programs may act on it.
	Name string
	// Gate says that creating or starting a VM is refused when the check fails.
	Gate bool

	run func(ctx context.Context, w World) verdict
}

// verdict is a Finding before the check's name is put on it.
type verdict struct {
	status Status
	reason string
	remedy fault.Hint
}

func ok(format string, args ...any) verdict {
	return verdict{status: OK, reason: fmt.Sprintf(format, args...)}
}

func info(format string, args ...any) verdict {
	return verdict{status: Info, reason: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) verdict {
	return verdict{status: Warn, reason: fmt.Sprintf(format, args...), remedy: fault.Hintf("%s", remedy)}
}

func fail(remedy, format string, args ...any) verdict {
	return verdict{status: Fail, reason: fmt.Sprintf(format, args...), remedy: fault.Hintf("%s", remedy)}
}

// mend sets a remedy that proposes acts.
func (v verdict) mend(format string, args ...any) verdict {
	v.remedy = fault.Hintf(format, args...)
	return v
}

// Checks returns all checks in the order in which they are shown.
func Checks() []Check {
	return []Check{
		{Name: "vmm", run: checkVMM},
		{Name: "kvm", run: checkKVM},
		{Name: "tap", run: checkTAP},
		{Name: "nesting", run: checkNesting},
		{Name: "driver", Gate: true, run: checkDriver},
		{Name: "confinement", run: checkConfinement},
		{Name: "agent", Gate: true, run: checkAgent},
		{Name: "helpers", Gate: true, run: checkHelpers},
		{Name: "tools", run: checkTools},
		{Name: "kernel", run: checkKernel},
		{Name: "image", run: checkImage},
		{Name: "image-files", run: checkImageFiles},
		{Name: "catalogs", run: checkCatalogs},
		{Name: "agents", run: checkAgents},
		{Name: "state-disk", Gate: true, run: checkStateDisk},
		{Name: "cache-disk", run: checkCacheDisk},
		{Name: "memory", Gate: true, run: checkMemory},
		{Name: "state", run: checkState},
		{Name: "socket", run: checkSocket},
		{Name: "daemon", run: checkDaemon},
		{Name: "linger", run: checkLinger},
		{Name: "names", run: checkNames},
		{Name: "low-ports", run: checkLowPorts},
		{Name: "ping", run: checkPing},
	}
}

// Run examines w with every check, one after the other. A cancelled ctx makes
// those that ask the network or another program say so; Run itself does not fail.
func Run(ctx context.Context, w World) Report {
	return examine(ctx, w, Checks())
}

func examine(ctx context.Context, w World, checks []Check) Report {
	w.Look = lookOnce(w.Look)
	report := Report{Status: OK, Checks: make([]Finding, 0, len(checks))}
	for _, c := range checks {
		v := c.run(ctx, w)
		report.Add(Finding{Name: c.Name, Status: v.status, Reason: v.reason, Remedy: v.remedy})
	}
	return report
}

// Add puts a finding of the caller's own into the report.
func (r *Report) Add(f Finding) {
	r.Checks = append(r.Checks, f)
	if worse(f.Status, r.Status) {
		r.Status = f.Status
	}
}

func worse(a, b Status) bool {
	rank := func(s Status) int {
		switch s {
		case Fail:
			return 2
		case Warn:
			return 1
		default:
			return 0
		}
	}
	return rank(a) > rank(b)
}

// Preflight runs the checks without which no VM can be created or started, and
// returns nil when none of them fails. Otherwise it returns an Unavailable
// fault with every reason, and the first remedy as its hint. It is quick (no
// network), so that it can go before every create and start.
func Preflight(ctx context.Context, w World) error {
	var gates []Check
	for _, c := range Checks() {
		if c.Gate {
			gates = append(gates, c)
		}
	}
	var reasons []string
	var remedy fault.Hint
	for _, f := range examine(ctx, w, gates).Checks {
		if f.Status != Fail {
			continue
		}
		reasons = append(reasons, f.Name+": "+f.Reason)
		if len(remedy) == 0 {
			remedy = f.Remedy
		}
	}
	if err := ctx.Err(); err != nil {
		return err // a check that was cut short says nothing of the host
	}
	if len(reasons) == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, "this host cannot run a VM: %s", strings.Join(reasons, "; ")).
		WithHint("%s; to see all checks: %s", remedy, act.Doctor.Do())
}
