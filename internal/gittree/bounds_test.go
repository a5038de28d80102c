package gittree_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/gittree"
)

// program is a git that is a shell script.
func program(t *testing.T, script string) gittree.Git {
	t.Helper()
	path := filepath.Join(t.TempDir(), "git")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return gittree.Git{Path: path, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

// A bounded git has its limits before its first instruction, and so have the
// programs that it starts.
func TestGitRunsWithinItsBounds(t *testing.T) {
	git := program(t, `sh -c 'ulimit -v; ulimit -t; ulimit -f; ulimit -c'; printf '%s\n' "$@"`)
	git.Bounds = &gittree.Bounds{Memory: 1 << 30, CPU: 100, File: 1 << 20}
	out, err := git.Output(t.Context(), gittree.Cmd{Args: []string{"an argument", "$1;exit", "-x"}})
	if want := "1048576\n100\n2048\n0\nan argument\n$1;exit\n-x\n"; err != nil || string(out) != want {
		t.Errorf("git prints %q, %v; want %q", out, err, want)
	}
}

func TestWhatTakesTooMuchIsEnded(t *testing.T) {
	for name, tc := range map[string]struct{ script, said string }{
		"time on a CPU": {"while :; do :; done", "CPU time limit exceeded"},
		"a file":        {"exec head -c 3000000 /dev/zero >" + filepath.Join(t.TempDir(), "f"), "file size limit exceeded"},
		"memory":        {`exec awk 'BEGIN { x = sprintf("%300000000s", "") }'`, "awk"},
	} {
		t.Run(name, func(t *testing.T) {
			git := program(t, tc.script)
			git.Bounds = &gittree.Bounds{Memory: 100 << 20, CPU: 1, File: 1 << 20}
			err := git.Run(t.Context(), gittree.Cmd{Args: []string{"verb"}})
			if failure, ok := errors.AsType[*gittree.Error](err); !ok || !strings.Contains(failure.Error(), tc.said) {
				t.Errorf("git = %v; want %q", err, tc.said)
			}
		})
	}
}

func TestOutputAndComplaintsAreBounded(t *testing.T) {
	git := program(t, "yes")
	git.MaxOutput = 1 << 20
	_, err := git.Output(t.Context(), gittree.Cmd{Args: []string{"verb"}})
	if much, ok := errors.AsType[*gittree.OutputError](err); !ok || much.Verb != "verb" {
		t.Errorf("endless output = %v; want an OutputError", err)
	}
	err = program(t, "head -c 2000000 /dev/zero | tr '\\0' x >&2; exit 3").Run(t.Context(), gittree.Cmd{Args: []string{"verb"}})
	if failure, ok := errors.AsType[*gittree.Error](err); !ok || failure.Status != 3 || len(failure.Stderr) != 8<<10 {
		t.Errorf("endless complaints: %.100v; want 8 KiB of them", err)
	}
}

// What git has started ends with it, whether it listens to SIGTERM or not.
func TestCancellingEndsWhatGitHasStarted(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	if err := syscall.Mkfifo(pid, 0o600); err != nil {
		t.Fatal(err)
	}
	git := program(t, `(trap '' TERM; sh -c 'echo $PPID' >`+pid+`; while :; do sleep 1; done) & wait`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- git.Run(ctx, gittree.Cmd{Args: []string{"verb"}}) }()
	said, err := os.ReadFile(pid) // waits for the writer
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(string(bytes.TrimSpace(said)))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v; want Canceled", err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(child); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", child)
		}
	}
}

// alive reports whether a process runs: one that nobody has reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func TestTheGateBoundsHowManyRun(t *testing.T) {
	git := program(t, "true")
	git.Gate = make(chan struct{}, 1)
	git.Gate <- struct{}{}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("waited long enough")
	cancel(stop)
	if err := git.Run(ctx, gittree.Cmd{Args: []string{"verb"}}); !errors.Is(err, stop) {
		t.Errorf("Run without a place = %v; want to wait", err)
	}
	<-git.Gate
	if err := git.Run(t.Context(), gittree.Cmd{Args: []string{"verb"}}); err != nil || len(git.Gate) != 0 {
		t.Errorf("Run with a place = %v, and %d are still taken", err, len(git.Gate))
	}
}
