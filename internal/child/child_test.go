package child_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/child"
)

const parentEnv = "BANGER_TEST_PARENT"

// TestParent is no test but a process that is killed.
func TestParent(t *testing.T) {
	if os.Getenv(parentEnv) == "" {
		t.Skip("run by TestProgramsEndWithTheirParent")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo pid $$; exec sleep 600")
	cmd.Stdout = os.Stdout
	t.Fatal(child.Run(cmd))
}

func TestProgramsEndWithTheirParent(t *testing.T) {
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestParent$")
	parent.Env = append(os.Environ(), parentEnv+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "pid "); found {
			if pid, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("the program %d: %v", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	runtime.GC() // threads that wait for nothing may end
	watch := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(watch, 0); n != 0 || err != nil {
		t.Fatalf("before its parent's end: %d, %v", n, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if n, err := unix.Poll(watch, 10_000); n != 1 || err != nil {
		t.Errorf("10 s after its parent's end: %d, %v", n, err)
	}
}

func TestRun(t *testing.T) {
	if err := child.Run(exec.CommandContext(t.Context(), "true")); err != nil {
		t.Error(err)
	}
	err := child.Run(exec.CommandContext(t.Context(), "sh", "-c", "exit 3"))
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		t.Errorf("%v, want exit status 3", err)
	}
	if err := child.Run(exec.CommandContext(t.Context(), "/nonexistent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, err := child.Start(exec.CommandContext(ctx, "sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled program succeeded")
	}
}

func TestProgramsGetOnlyWhatTheyAreGiven(t *testing.T) {
	leaked, err := unix.FcntlInt(uintptr(syscall.Stdout), unix.F_DUPFD, 100) // as from a shell
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked) //nolint:errcheck // a copy of stdout
	given, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close() //nolint:errcheck // read only
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "ls /proc/$$/fd")
	cmd.Stdout, cmd.ExtraFiles = &out, []*os.File{given}
	if err := child.Run(cmd); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); !slices.Contains(got, "3") || slices.Contains(got, strconv.Itoa(leaked)) {
		t.Errorf("the program has %s; %d was not for it", got, leaked)
	}
}
