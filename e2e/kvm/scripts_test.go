package main

import (
	"slices"
	"testing"
)

// TestSetsAreScripts fails for a script of a set that is no more.
func TestSetsAreScripts(t *testing.T) {
	const dir = "../testdata/script"
	for set, want := range sets() {
		s, err := chosen(set, dir)
		if err != nil || len(s.names) != len(want) || len(s.left) == 0 {
			t.Errorf("%s: %+v, %v", set, s, err)
		}
		if _, err := s.needs(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := chosen("exec,none", dir); err == nil {
		t.Error("an unknown script is no error")
	}
	s, err := chosen("upgrade,exec", dir)
	if err != nil || !slices.Equal(s.names, []string{"exec", "upgrade"}) {
		t.Fatal(s, err)
	}
	if n, err := s.needs(dir); err != nil || !n.next || !slices.Equal(n.stored, []string{"busybox", "kernel"}) {
		t.Errorf("%+v, %v", n, err)
	}
}
