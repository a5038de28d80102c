package main

import (
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
