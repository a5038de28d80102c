package monitors

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
)

// freeze is a monitor that listens, holds its lock, and was stopped.
func freeze(dir statedir.VM) {
	lock, err := os.OpenFile(dir.MonitorLock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err == nil {
		_, err = statedir.ListenUnix(dir.MonitorSocket())
	}
	if err != nil {
		os.Exit(3)
	}
	_, _ = os.Stdout.WriteString("up\n")
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	select {}
}

func TestEndKillsAMonitorThatStandsStill(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	dir := dirs.VM(testID)
	if err := os.MkdirAll(dir.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	l := New(dirs, []string{"/bin/false"}, slog.New(slog.DiscardHandler))
	if err := l.End(t.Context(), testID); err != nil {
		t.Errorf("without a monitor: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "frozen", string(dir))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	for !isStopped(cmd.Process.Pid) {
	}
	err = l.Answers(t.Context(), testID)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "monitor does not answer") || fault.HintOf(err).String() == "" {
		t.Errorf("Answers = %v", err)
	}
	m := &Machine{dir: dir}
	err = m.orderWithin(t.Context(), 50*time.Millisecond, monitorrpc.PathStop, monitorrpc.StopRequest{})
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "was stopped") || strings.Contains(err.Error(), "deadline") {
		t.Errorf("an order = %v", err)
	}
	if err := l.End(t.Context(), testID); err != nil {
		t.Errorf("End = %v", err)
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended by %v", cmd.ProcessState)
	}
}
