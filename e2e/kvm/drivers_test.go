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

// fakePlace has commands print something, and end with an error.
type fakePlace struct {
	prints string
	err    error
}

func (fakePlace) kit() string { return "/kit" }

func (p fakePlace) run(_ context.Context, c command) error {
	_, _ = io.WriteString(c.out, p.prints)
	return p.err
}

// An outer VM that is lost is no failure of a test, and excuses none.
func TestALostOuterVMIsToldApart(t *testing.T) {
	gone := fmt.Errorf("%w: exit status 125", errLost)
	for name, test := range map[string]struct {
		where    fakePlace
		ok, lost bool
	}{
		"passed":          {fakePlace{"--- PASS: TestOne (0.01s)\n", nil}, true, false},
		"lost":            {fakePlace{"--- PASS: TestOne (0.01s)\n", gone}, false, true},
		"failed and lost": {fakePlace{"--- FAIL: TestOne (0.01s)\n", gone}, false, false},
		"failed":          {fakePlace{"--- FAIL: TestOne (0.01s)\n", errors.New("exit status 1")}, false, false},
		"nothing ran":     {fakePlace{"", nil}, false, false},
	} {
		tier := &tier{out: io.Discard}
		err := tier.runAll(t.Context(), test.where, []driver{{name: "qemu-kvm"}}, selection{names: []string{"exec"}})
		if (err == nil) != test.ok || errors.Is(err, errLost) != test.lost {
			t.Errorf("%s: %v", name, err)
		}
	}
}
