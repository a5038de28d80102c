package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLost is how often in a row a run starts its outer VM again without a script that ended meanwhile.
const maxLost = 3

// suite is a test program's run.
type suite struct {
	name string
	argv []string // of a suite without scripts
	user bool     // as an ordinary user; else as root, who gives each script a user
	// scripts are those that the end-to-end program runs; argv is theirs then.
	scripts []string
}

// command is the suite's command line.
func (s suite) command(kit string) []string {
	if len(s.scripts) == 0 {
		return s.argv
	}
	return endToEnd(kit, "^TestScripts$/^("+strings.Join(s.scripts, "|")+")$")
}

func endToEnd(kit, tests string) []string {
	return []string{filepath.Join(kit, "e2e/e2e.test"), "-test.v", "-test.timeout", "2h", "-test.parallel", "2", "-test.run", tests}
}

// suites are what the driver is tested with, in a place whose kit is at kit.
func (d driver) suites(kit string, scripts selection) []suite {
	contract := func(tests string) []string {
		return []string{d.contract(kit), "-test.v", "-test.timeout", "30m", "-test.run", tests}
	}
	all := []suite{{name: "contract", argv: contract("OnKVMKeepsTheContract$"), user: true}}
	if len(scripts.names) > 0 {
		all = append(all, suite{name: "scripts", scripts: scripts.names})
	}
	if d.jailer {
		all = append(
			all,
			suite{name: "contract in a jail", argv: contract("^(TestJailed|TestTheJailersFirecracker)$")},
			suite{name: "the jailer's script", argv: endToEnd(kit, "^TestJailer$")},
		)
	}
	return all
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
		got, err := t.runTwice(ctx, where, d, suite, env)
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

// runTwice runs a suite, and once more what failed of it, if that is no more than may be run again.
func (t *tier) runTwice(ctx context.Context, where place, d driver, s suite, env []string) (tally, error) {
	got, err := t.runSuite(ctx, where, s, env)
	if n := len(got.failed); n == 0 || n > t.retry || errors.Is(err, errLost) {
		return got, err
	}
	t.say("%s: %s: once more: %s", d.name, s.name, strings.Join(got.failed, ", "))
	passed := got.passed
	if len(s.scripts) > 0 {
		s.scripts = got.failed
	} else {
		passed = 0 // it runs as a whole
	}
	again, err := t.runSuite(ctx, where, s, env)
	again.passed += passed
	if len(s.scripts) > 0 {
		again.skipped = append(again.skipped, got.skipped...)
	}
	return again, err
}

// runSuite runs a suite to its end. If the place is lost meanwhile, the scripts that had not
// ended, or a suite without scripts, run in it once it is back.
func (t *tier) runSuite(ctx context.Context, where place, s suite, env []string) (tally, error) {
	var sum tally
	for {
		results := &results{out: t.out}
		err := where.run(ctx, command{
			argv: s.command(where.kit()), env: env, dir: filepath.Join(where.kit(), "e2e"), user: s.user, out: results,
		})
		if !errors.Is(err, errLost) || t.inRow == maxLost {
			return sum.plus(results.tally()), err
		}
		t.lost, t.inRow = t.lost+1, t.inRow+1
		got := results.tally()
		if len(results.scripts()) > 0 {
			t.inRow = 0
		}
		if len(s.scripts) == 0 {
			got.passed, got.skipped = 0, nil // they run again
		}
		sum = sum.plus(got)
		if len(s.scripts) > 0 {
			ended := results.scripts()
			s.scripts = slices.DeleteFunc(slices.Clone(s.scripts), func(name string) bool { return slices.Contains(ended, name) })
			if len(s.scripts) == 0 {
				return sum, nil
			}
		}
		t.say("the outer VM was lost: starting it again for the rest of %s", s.name)
		if err := where.renew(ctx); err != nil {
			return sum, errors.Join(err, errLost)
		}
	}
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
