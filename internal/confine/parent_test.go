package confine_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
)

// elsewhere runs f on another thread than the first of this process, as the scheduler may.
// The first ends with the process only, any other with a goroutine that is locked to it.
func elsewhere(f func() int) int {
	runtime.LockOSThread() // so the next goroutine has another
	if unix.Gettid() != os.Getpid() {
		return f()
	}
	status := make(chan int)
	go func() { status <- elsewhere(f) }()
	return <-status
}

// The end of the thread that forked counts as the parent's: see prctl(2).
func TestTheProgramDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plan := confine.Plan{Read: confine.ProgramFiles("/bin/sh", "sh"), DiesWithParent: true}
	args, err := plan.Arguments("/bin/sh", []string{"-c", "echo up; read line"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, append([]string{"confine-elsewhere"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if _, err := cmd.StdinPipe(); err != nil { // for it to wait on
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, end := make(chan error), make(chan struct{})
	go elsewhere(func() int { // never unlocked: the thread ends with the goroutine
		started <- cmd.Start()
		<-end
		return 0
	})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	close(end)
	waitErr := cmd.Wait()
	if line != "up\n" {
		t.Fatalf("it said %q, %v: %v: %s", line, err, waitErr, said.String())
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL || ctx.Err() != nil {
		t.Errorf("it lived on: %v, %v", waitErr, ctx.Err())
	}
}
