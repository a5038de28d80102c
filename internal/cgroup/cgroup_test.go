package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree is a scope as a directory: what the kernel makes of writes is not there.
func tree(t *testing.T, controllers string) string {
	t.Helper()
	scope := t.TempDir()
	for _, name := range []string{
		"cgroup.subtree_control", "monitor/cgroup.procs", "vmm/memory.max", "vmm/memory.oom.group", "vmm/cpu.max", "vmm/pids.max",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(scope, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(scope, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(scope, "cgroup.controllers"), []byte(controllers), 0o600); err != nil {
		t.Fatal(err)
	}
	return scope
}

func TestSplitLimitsWhatIsDelegated(t *testing.T) {
	limits := Limits{MemoryBytes: 1 << 30, CPUs: 3, Processes: 40}
	for _, c := range []struct {
		controllers string
		has         []string
		want        map[string]string
	}{
		{
			"cpuset cpu io memory pids\n",
			[]string{"cpu", "memory", "pids", "io"},
			map[string]string{"memory.max": "1073741824", "memory.oom.group": "1", "cpu.max": "300000 100000", "pids.max": "40"},
		},
		{"memory pids\n", []string{"memory", "pids"}, map[string]string{"memory.max": "1073741824", "cpu.max": "", "pids.max": "40"}},
		{"", nil, map[string]string{"memory.max": "", "cpu.max": "", "pids.max": ""}},
	} {
		scope := tree(t, c.controllers)
		vmm, has, err := split(scope, limits)
		if err != nil || vmm != filepath.Join(scope, "vmm") || !slices.Equal(has, c.has) {
			t.Errorf("%q: %s, %q, %v", c.controllers, vmm, has, err)
		}
		if got, _ := os.ReadFile(filepath.Join(scope, "monitor/cgroup.procs")); string(got) != "0" {
			t.Errorf("%q: this process did not move: %q", c.controllers, got)
		}
		for name, want := range c.want {
			if got, _ := os.ReadFile(filepath.Join(vmm, name)); string(got) != want {
				t.Errorf("%q: %s is %q, want %q", c.controllers, name, got, want)
			}
		}
	}
	if got := Missing([]string{"cpu", "memory", "pids"}); !slices.Equal(got, []string{"io"}) {
		t.Errorf("missing: %q", got)
	}
}

func TestOwnIsThatOfVersion2(t *testing.T) {
	mount := t.TempDir()
	if _, err := own("0::/user.slice\n", mount); err == nil {
		t.Error("a mount without groups of version 2 is taken")
	}
	if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[string]string{
		"0::/user.slice/a.scope\n":      filepath.Join(mount, "user.slice/a.scope"),
		"1:name=systemd:/x\n0::/y\n":    filepath.Join(mount, "y"),
		"8:pids:/\n1:name=systemd:/x\n": "",
		"":                              "",
	} {
		got, err := own(lines, mount)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", lines, got, err)
		}
	}
}

func TestBusPath(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/x")
	if got := BusPath(7); got != "/x/bus" {
		t.Error(got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := BusPath(7); !strings.HasSuffix(got, "/user/7/bus") {
		t.Error(got)
	}
}
