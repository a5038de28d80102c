package processes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agent/processes"
	"github.com/bangervm/banger/internal/agentrpc"
)

// write makes a process of a proc(5) of files.
func write(t *testing.T, proc string, pid, parent int, name, command string, ticks, pages int) {
	t.Helper()
	dir := filepath.Join(proc, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 0 0 0 0 %d 1 0 0 20 0 1 0 100 5000000 %d 18446744073709551615 1 1", pid, name, parent, ticks, pages)
	for file, text := range map[string]string{"stat": stat, "cmdline": command} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestList(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, 1, 0, "init", "/sbin/init\x00", 99, 10)
	write(t, proc, 2, 0, "kthreadd", "", 5, 0)
	write(t, proc, 9, 2, "kworker/0:1", "", 5, 0)
	write(t, proc, 40, 1, "a) R 7 (\x1b[31m\n", "sh\x00-c\x00x\x1b]0;y\x07\x00", 199, 20)
	write(t, proc, 41, 1, "idle", "", 0, 0)
	if err := os.MkdirAll(filepath.Join(proc, "42"), 0o700); err != nil { // it has just ended
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(proc, "net"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := processes.List(proc)
	if err != nil {
		t.Fatal(err)
	}
	uid, page := uint32(os.Getuid()), int64(os.Getpagesize())
	want := agentrpc.Processes{Total: 3, Processes: []agentrpc.Process{
		{Owner: agentrpc.Owner{PID: 40, Process: "a) R 7 (?[31m", Command: "sh -c x?]0;y?"}, Parent: 1, UID: uid, State: "S", CPUSeconds: 2, MemoryBytes: 20 * page},
		{Owner: agentrpc.Owner{PID: 1, Process: "init", Command: "/sbin/init"}, UID: uid, State: "S", CPUSeconds: 1, MemoryBytes: 10 * page},
		{Owner: agentrpc.Owner{PID: 41, Process: "idle"}, Parent: 1, UID: uid, State: "S", CPUSeconds: 0.01},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Of very many the agent tells of those that take most.
func TestListIsBounded(t *testing.T) {
	proc := t.TempDir()
	for i := range agentrpc.MaxProcesses + 10 {
		write(t, proc, 100+i, 1, "p", strings.Repeat("x", 5000), i, 0)
	}
	got, err := processes.List(proc)
	if err != nil || got.Total != agentrpc.MaxProcesses+10 || len(got.Processes) != agentrpc.MaxProcesses {
		t.Fatalf("%d of %d: %v", len(got.Processes), got.Total, err)
	}
	if first := got.Processes[0]; first.PID != 100+agentrpc.MaxProcesses+9 || len(first.Command) > 256 {
		t.Errorf("the first is %+v", first)
	}
	if _, err := processes.List(filepath.Join(proc, "none")); err == nil {
		t.Error("a proc that is not there has processes")
	}
}

// This test is a process itself.
func TestListOfThisHost(t *testing.T) {
	got, err := processes.List("/proc")
	if err != nil || got.Total == 0 {
		t.Fatal(got.Total, err)
	}
}
