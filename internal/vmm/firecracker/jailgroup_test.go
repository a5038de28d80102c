package firecracker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/firecracker/jail"
)

func TestAJailedMachineHasAControlGroupWhereTheHostOffersOne(t *testing.T) {
	spec := vmm.Spec{VCPU: 2, MemoryBytes: 1 << 30, JailUID: 7}
	for offered, want := range map[string]struct{ args, words string }{
		"cpuset cpu io memory pids": {
			"--cgroup-version 2 --parent-cgroup banger/7 --cgroup memory.max=1610612736 --cgroup cpu.max=300000 100000 --cgroup pids.max=34",
			", a control group (cpu memory pids)",
		},
		"memory": {"--cgroup-version 2 --parent-cgroup banger/7 --cgroup memory.max=1610612736", ", a control group (memory)"},
		"io":     {"", ""},
		"":       {"", ""}, // groups of version 1
	} {
		mount := t.TempDir()
		if offered != "" {
			if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), []byte(offered+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		limits, controllers := jailGroup(mount, spec, jail.Limits{Files: 5})
		got := strings.Join(jail.Jail{Dir: "/d", Firecracker: "/f", UID: 7}.Arguments(limits), " ")
		if !strings.Contains(got, " --resource-limit no-file=5 "+want.args) || strings.Contains(got, "cgroup") != (want.args != "") || groupWords(controllers) != want.words {
			t.Errorf("%q: %s, %q", offered, got, groupWords(controllers))
		}
	}
}

func TestAControlGroupIsRemovedOnceAndAgain(t *testing.T) {
	mount := t.TempDir()
	if err := os.MkdirAll(filepath.Join(mount, "banger/7", jail.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := clearGroup(mount, 7); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(mount, "banger")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if err := os.MkdirAll(filepath.Join(mount, "banger/7", jail.ID, "busy"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := clearGroup(mount, 7); err == nil {
		t.Error("a group that stays is not told")
	}
}

func TestSweepLeavesMachinesWithoutAJailAlone(t *testing.T) {
	dir := t.TempDir()
	jailDir := filepath.Join(dir, jailName)
	if err := os.Mkdir(jailDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := New().Sweep(dir, vmm.Spec{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(jailDir); err != nil {
		t.Error(err)
	}
	if err := New().Sweep(dir, vmm.Spec{JailUID: testUID}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(jailDir); !os.IsNotExist(err) {
		t.Errorf("the jail is left: %v", err)
	}
}
