package main

import "testing"

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
