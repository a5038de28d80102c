package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// envFirecracker is the path of the Firecracker to test with.
const envFirecracker = "BANGER_E2E_FIRECRACKER"

// driver is one driver that the tier runs on KVM.
type driver struct {
	name     string   // in banger's configuration
	pkg      string   // its package, which has the contract test
	program  string   // the VMM's executable on this host, to be put into the kit; empty: the place has it
	variable string   // the setting that takes the program's path
	absent   string   // why it cannot be run; empty: it can
	jailer   bool     // Firecracker's jailer is beside it in the kit
	without  []string // the scripts about what it does not have
}

// driverList are the drivers that use KVM. firecracker is the path of Firecracker, or
// empty; only has the names of those to run, or is empty for all.
func driverList(firecracker, only string) ([]driver, error) {
	fc := driver{name: "firecracker", pkg: "./internal/vmm/firecracker", program: firecracker, variable: "BANGER_FIRECRACKER_BIN", without: []string{"nested"}}
	if firecracker == "" {
		fc.absent = envFirecracker + " names none"
	}
	all := []driver{{name: "qemu-kvm", pkg: "./internal/vmm/qemu"}, fc}
	if only == "" {
		return all, nil
	}
	names := strings.Split(only, ",")
	for i, d := range all {
		at := slices.Index(names, d.name)
		if at < 0 {
			all[i].absent = "-drivers does not name it"
			continue
		}
		names = slices.Delete(names, at, at+1)
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("there is no driver %q", names[0])
	}
	return all, nil
}

// contract is the driver's contract test program in a kit.
func (d driver) contract(kit string) string { return filepath.Join(kit, "contract", d.name+".test") }

// environment is what chooses the driver in a place whose kit is at kit.
func (d driver) environment(kit string) []string {
	env := []string{"BANGER_DRIVER=" + d.name}
	if d.program != "" {
		program := filepath.Join(kit, "vmm", d.name)
		env = append(env, d.variable+"="+program, envFirecracker+"="+program)
	}
	return env
}

// runAll runs all drivers, and sums up. Its error names those that failed;
// it is errLost if only the outer VM did.
func (t *tier) runAll(ctx context.Context, where place, all []driver, scripts selection) error {
	var failed, lost, summary []string
	for _, d := range all {
		if d.absent != "" {
			summary = append(summary, fmt.Sprintf("%s: 1 skipped: the whole driver (%s)", d.name, d.absent))
			continue
		}
		start := time.Now()
		run := t.runDriver
		if t.bench {
			run = t.benchDriver
		}
		tally, err := run(ctx, where, d, scripts)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		summary = append(summary, fmt.Sprintf("%s: %s in %s", d.name, tally, time.Since(start).Round(time.Second)))
		switch {
		case errors.Is(err, errLost) && len(tally.failed) == 0:
			lost = append(lost, d.name)
		case err != nil || len(tally.failed) > 0:
			failed = append(failed, d.name)
		}
		if err != nil {
			summary = append(summary, fmt.Sprintf("%s: %v", d.name, err))
		}
	}
	if left := scripts.left; len(left) > 0 {
		summary = append(summary, fmt.Sprintf("%d scripts are not in the set %q: %s", len(left), t.set, strings.Join(left, ", ")))
	}
	if t.lost > 0 {
		summary = append(summary, fmt.Sprintf("the outer VM was lost %d times", t.lost))
	}
	for _, line := range summary {
		t.say("%s", line)
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("failed: %s", strings.Join(append(failed, lost...), ", "))
	case len(lost) > 0:
		return fmt.Errorf("%s: %w", strings.Join(lost, ", "), errLost)
	}
	return nil
}
