package kernel_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/statedir"
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

// TestADamagedKernelIsReplacedByNoOther without a word, and stays in the list.
func TestADamagedKernelIsReplacedByNoOther(t *testing.T) {
	for name, spoil := range map[string]func(statedir.Kernel) error{
		"no vmlinux":  func(k statedir.Kernel) error { return os.Remove(k.Vmlinux()) },
		"no manifest": func(k statedir.Kernel) error { return os.Remove(k.Manifest()) },
	} {
		t.Run(name, func(t *testing.T) {
			cat := newCatalog(t)
			for i, version := range []string{"6.1.0", "6.9.0"} {
				cat.now = cat.now.Add(time.Duration(i) * time.Minute)
				dir := onDisk(t, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz(version), Mode: 0o644}})
				if _, err := cat.Import(t.Context(), "k"+version, dir, &stages{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := spoil(cat.dirs.Kernel("k6.9.0")); err != nil {
				t.Fatal(err)
			}
			all, err := cat.List(t.Context())
			if err != nil || len(all) != 2 || all[0].Problem != nil || !errors.Is(all[1].Problem, fault.Unavailable) {
				t.Fatalf("listed %+v, %v", all, err)
			}
			for what, get := range map[string]func() (kernel.Manifest, error){
				"Default":        func() (kernel.Manifest, error) { return cat.Default(t.Context()) },
				"Obtain":         func() (kernel.Manifest, error) { return cat.Obtain(t.Context(), "", &stages{}) },
				"Obtain by name": func() (kernel.Manifest, error) { return cat.Obtain(t.Context(), "k6.9.0", &stages{}) },
				"Get":            func() (kernel.Manifest, error) { return cat.Get(t.Context(), "k6.9.0") },
			} {
				m, err := get()
				if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "kernel k6.9.0 is damaged") || fault.HintOf(err).String() == "" {
					t.Errorf("%s: %s, %v (hint %q)", what, m.Name, err, fault.HintOf(err))
				}
			}
			// One that is surely older is no default.
			if err := errors.Join(os.RemoveAll(string(cat.dirs.Kernel("k6.9.0"))), os.Remove(cat.dirs.Kernel("k6.1.0").Vmlinux())); err != nil {
				t.Fatal(err)
			}
			dir := onDisk(t, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz("5.0.0"), Mode: 0o644}})
			cat.now = cat.now.Add(time.Hour)
			if _, err := cat.Import(t.Context(), "newer", dir, &stages{}); err != nil {
				t.Fatal(err)
			}
			if m, err := cat.Default(t.Context()); err != nil || m.Name != "newer" {
				t.Errorf("Default = %s, %v", m.Name, err)
			}
		})
	}
}
