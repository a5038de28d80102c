package cgroup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/pace"
)

// TestMain makes the test binary serve as a monitor and as its VMM too.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "monitor" {
		if err := monitor(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// monitor enters a scope and starts a VMM in its group, and prints where both are and
// what limits the VMM.
func monitor(unit string) error {
	scope := cgroup.Scope{
		Bus: cgroup.BusPath(os.Getuid()), Unit: unit, Description: "a test of banger",
		Limits: cgroup.Limits{MemoryBytes: 64 << 20, CPUs: 2, Processes: 50},
	}
	vmm, _, err := scope.Enter(context.Background())
	if err != nil {
		return err
	}
	dir, err := os.Open(vmm)
	if err != nil {
		return err
	}
	script := `cat /proc/self/cgroup; cd "$0"; cat memory.max cpu.max pids.max; i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done`
	cmd := exec.Command("sh", "-c", script, vmm) //nolint:noctx // it ends by itself
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd()), Pdeathsig: syscall.SIGKILL}
	own, _ := os.ReadFile("/proc/self/cgroup")
	fmt.Println(vmm)       //nolint:forbidigo // it is a program
	fmt.Print(string(own)) //nolint:forbidigo // it is a program
	_ = cmd.Run()          // the limit of its processes ends it
	return dir.Close()
}

func TestTheUsersSystemdGivesAScope(t *testing.T) {
	_, err := cgroup.Own()
	if err == nil {
		_, err = os.Stat(cgroup.BusPath(os.Getuid()))
	}
	if err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE_SYSTEMD") == "1" {
			t.Fatal(err)
		}
		t.Skipf("this user has no systemd: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	unit := "banger-test-" + strconv.Itoa(os.Getpid()) + ".scope"
	out, err := exec.CommandContext(ctx, self, "monitor", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	lines := strings.Split(string(out), "\n")
	scope := filepath.Dir(lines[0])
	if filepath.Base(scope) != unit || filepath.Base(filepath.Dir(scope)) != cgroup.Slice {
		t.Errorf("the scope is %s", scope)
	}
	for i, want := range []string{"/" + unit + "/monitor", "/" + unit + "/vmm", "67108864", "200000 100000", "50"} {
		if !strings.HasSuffix(lines[i+1], want) {
			t.Errorf("%q, want …%q", lines[i+1], want)
		}
	}
	if !strings.Contains(string(out), "fork") {
		t.Error("60 processes are allowed")
	}
	for { // systemd removes it
		_, err := os.Stat(scope)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if err := pace.Pause(ctx, 10*time.Millisecond); err != nil {
			t.Fatalf("%s is left", scope)
		}
	}
}
