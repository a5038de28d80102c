package kernel_test

import (
	"errors"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
)

func TestDefaultAndRemove(t *testing.T) {
	cat := newCatalog(t)
	if _, err := cat.Default(t.Context()); !errors.Is(err, fault.NotFound) || fault.HintOf(err).String() == "" {
		t.Errorf("with none: %v, want NotFound with a hint", err)
	}
	for i, version := range []string{"6.9.0", "6.1.0"} {
		cat.now = cat.now.Add(time.Duration(i) * time.Minute)
		dir := onDisk(t, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz(version), Mode: 0o644}})
		if _, err := cat.Import(t.Context(), "k"+version, dir, &stages{}); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := cat.Default(t.Context()); err != nil || m.Name != "k6.1.0" {
		t.Errorf("Default = %s, %v; want the one imported last", m.Name, err)
	}
	cat.users["k6.1.0"], cat.users["k6.9.0"] = []string{"busy"}, []string{"VM web", "image debian"}
	if _, err := cat.Remove(t.Context(), "k6.1.0"); !errors.Is(err, fault.Conflict) {
		t.Errorf("%v, want Conflict: a VM cannot have it for its own", err)
	}
	if users, err := cat.Remove(t.Context(), "k6.9.0"); err != nil || !slices.Equal(users, cat.users["k6.9.0"]) {
		t.Errorf("users %v, %v", users, err)
	}
	if _, err := cat.Remove(t.Context(), "k6.9.0"); !errors.Is(err, fault.NotFound) {
		t.Errorf("again: %v, want NotFound", err)
	}
	all, err := cat.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "k6.1.0" {
		t.Errorf("left: %v, %v", all, err)
	}
	checkNothingStaged(t, cat.dirs)
}
