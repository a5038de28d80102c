package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestScriptsAboutWhatADriverLacksAreSkipped(t *testing.T) {
	all, err := driverList("/fc", "")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{nil, {"nested"}} {
		rest, skipped := selection{names: []string{"exec", "nested"}}.without(all[i].without)
		if !slices.Equal(skipped, want) || len(rest.names)+len(skipped) != 2 {
			t.Errorf("%s: runs %v, skips %v", all[i].name, rest.names, skipped)
		}
	}
	for want, names := range [][]string{nil, {"exec"}} {
		if got := len(all[0].suites("/kit", selection{names: names})); got != 1+want {
			t.Errorf("%d suites for %v", got, names)
		}
	}
}

func TestDriversThatDoNotRunSayWhy(t *testing.T) {
	for _, c := range []struct {
		firecracker, only string
		absent            []bool // qemu-kvm, firecracker
	}{
		{"", "", []bool{false, true}},
		{"/fc", "", []bool{false, false}},
		{"/fc", "firecracker", []bool{true, false}},
		{"/fc", "firecracker,qemu-kvm", []bool{false, false}},
	} {
		all, err := driverList(c.firecracker, c.only)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		for i, d := range all {
			if (d.absent != "") != c.absent[i] {
				t.Errorf("%+v: %s is absent because %q", c, d.name, d.absent)
			}
		}
	}
	if _, err := driverList("", "xen"); err == nil {
		t.Error("an unknown driver is no error")
	}
}

// fakePlace has commands print something, and end with an error. Without more runs it repeats the last.
type fakePlace struct {
	runs    []fakeRun
	ran     []command
	renewed int
}

type fakeRun struct {
	prints string
	err    error
}

func (*fakePlace) kit() string { return "/kit" }

func (p *fakePlace) run(_ context.Context, c command) error {
	now := p.runs[min(len(p.ran), len(p.runs)-1)]
	p.ran = append(p.ran, c)
	_, _ = io.WriteString(c.out, now.prints)
	return now.err
}

func (p *fakePlace) renew(context.Context) error {
	p.renewed++
	return nil
}

var errGone = fmt.Errorf("%w: exit status 125", errLost)

// An outer VM that is lost is no failure of a test, and excuses none.
func TestALostOuterVMIsToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		run      fakeRun
		ok, lost bool
	}{
		"passed":          {fakeRun{"--- PASS: TestOne (0.01s)\n", nil}, true, false},
		"lost":            {fakeRun{"--- PASS: TestOne (0.01s)\n", errGone}, false, true},
		"failed and lost": {fakeRun{"--- FAIL: TestOne (0.01s)\n", errGone}, false, false},
		"failed":          {fakeRun{"--- FAIL: TestOne (0.01s)\n", errors.New("exit status 1")}, false, false},
		"nothing ran":     {fakeRun{"", nil}, false, false},
	} {
		tier, where := &tier{out: io.Discard}, &fakePlace{runs: []fakeRun{test.run}}
		err := tier.runAll(t.Context(), where, []driver{{name: "qemu-kvm"}}, selection{names: []string{"exec"}})
		if (err == nil) != test.ok || errors.Is(err, errLost) != test.lost {
			t.Errorf("%s: %v", name, err)
		}
		if want := map[bool]int{true: maxLost}[errors.Is(test.run.err, errLost)]; where.renewed != want {
			t.Errorf("%s: the place was renewed %d times; want %d", name, where.renewed, want)
		}
	}
}

// What had not ended when the outer VM was lost runs in the next one.
func TestALostRunGoesOn(t *testing.T) {
	where := &fakePlace{runs: []fakeRun{
		{"--- PASS: TestOne (0.01s)\n", nil}, // the contract
		{"    scripts_test.go:9: script exec passed in 1 s\n    scripts_test.go:9: script run failed in 1 s\n        scripts_test.go:9: script cp passed in 1 s\n", errGone},
		{"--- PASS: TestScripts (1.00s)\n    --- PASS: TestScripts/pause (1.00s)\n    --- SKIP: TestScripts/cp (1.00s)\n", nil},
	}}
	tier := &tier{out: io.Discard}
	got, err := tier.runDriver(t.Context(), where, driver{name: "qemu-kvm"}, selection{names: []string{"cp", "exec", "pause", "run"}})
	if err != nil || got.passed != 3 || !slices.Equal(got.failed, []string{"run"}) || !slices.Equal(got.skipped, []string{"cp"}) {
		t.Errorf("%v, %v", got, err)
	}
	if last := where.ran[len(where.ran)-1].argv; last[len(last)-1] != "^TestScripts$/^(cp|pause)$" {
		t.Errorf("the second outer VM runs %q", last)
	}
}

// What failed runs once more, if it is no more than may.
func TestFewFailuresRunOnceMore(t *testing.T) {
	runs := []fakeRun{
		{"--- PASS: TestOne (0.01s)\n", nil}, // the contract
		{"--- FAIL: TestScripts (1.00s)\n    --- PASS: TestScripts/exec (1.00s)\n    --- FAIL: TestScripts/run (1.00s)\n", errors.New("exit status 1")},
		{"--- PASS: TestScripts (1.00s)\n    --- PASS: TestScripts/run (1.00s)\n", nil},
	}
	for retry, passed := range []int{2, 3} {
		where := &fakePlace{runs: runs}
		got, err := (&tier{out: io.Discard, retry: retry}).runDriver(t.Context(), where, driver{name: "qemu-kvm"}, selection{names: []string{"exec", "run"}})
		if err != nil || got.passed != passed || len(where.ran) != passed || len(got.failed) != 1-retry {
			t.Errorf("with %d retries: %v, %v, %d runs", retry, got, err, len(where.ran))
		}
	}
}
