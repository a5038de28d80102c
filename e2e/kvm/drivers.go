package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// benchDriver measures boots.
func (t *tier) benchDriver(ctx context.Context, where place, d driver, _ selection) (tally, error) {
	kit := where.kit()
	t.say("%s: bench", d.name)
	err := where.run(ctx, command{
		argv: []string{filepath.Join(kit, "bin/bench"), "-kit", kit, "-driver", d.name, "-only", "boot", "-pairs", "5"},
		env:  append(d.environment(kit), "BANGER_E2E_CACHE="+filepath.Join(kit, "cache")), dir: "/", user: true, out: t.out,
	})
	if err != nil {
		return tally{}, err
	}
	return tally{passed: 1}, nil
}

// runDriver runs the driver's contract suite and the scripts. An error is of what
// could not be run to its end; failed tests are in the tally.
func (t *tier) runDriver(ctx context.Context, where place, d driver, scripts selection) (tally, error) {
	kit := where.kit()
	env := slices.Concat(d.environment(kit), []string{
		"BANGER_E2E_KIT=" + kit, "BANGER_E2E_CACHE=" + filepath.Join(kit, "cache"),
		"BANGER_TEST_KVM=1", "BANGER_TEST_GUEST_INIT=" + filepath.Join(kit, "guest-init"),
		"BANGER_TEST_REQUIRE=" + os.Getenv("BANGER_TEST_REQUIRE"),
	})
	scripts, lacked := scripts.without(d.without)
	sum := tally{skipped: lacked}
	var failure error
	for _, suite := range d.suites(kit, scripts) {
		t.say("%s: %s", d.name, suite.name)
		results := &results{out: t.out}
		err := where.run(ctx, command{argv: suite.argv, env: env, dir: filepath.Join(kit, "e2e"), user: suite.user, out: results})
		got := results.tally()
		sum = sum.plus(got)
		switch {
		case err != nil && len(got.failed) == 0:
			failure = errors.Join(failure, fmt.Errorf("%s: %w", suite.name, err))
		case err == nil && got.passed == 0:
			failure = errors.Join(failure, fmt.Errorf("%s: no test passed", suite.name))
		}
	}
	return sum, failure
}

// suite is a test program's run.
type suite struct {
	name string
	argv []string
	user bool // as an ordinary user; else as root, who gives each script a user
}

// suites are what the driver is tested with, in a place whose kit is at kit.
func (d driver) suites(kit string, scripts selection) []suite {
	contract := func(tests string) []string {
		return []string{d.contract(kit), "-test.v", "-test.timeout", "30m", "-test.run", tests}
	}
	endToEnd := func(tests string) []string {
		return []string{filepath.Join(kit, "e2e/e2e.test"), "-test.v", "-test.timeout", "2h", "-test.parallel", "2", "-test.run", tests}
	}
	all := []suite{{"contract", contract("OnKVMKeepsTheContract$"), true}}
	if len(scripts.names) > 0 {
		all = append(all, suite{"scripts", endToEnd("^TestScripts$/^(" + strings.Join(scripts.names, "|") + ")$"), false})
	}
	if d.jailer {
		all = append(
			all,
			suite{"contract in a jail", contract("^(TestJailed|TestTheJailersFirecracker)$"), false},
			suite{"the jailer's script", endToEnd("^TestJailer$"), false},
		)
	}
	return all
}
