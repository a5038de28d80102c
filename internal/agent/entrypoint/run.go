package entrypoint

import (
	"context"
	"io"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
)

// stopGrace is how long the program may take to end after its stop signal.
const stopGrace = 10 * time.Second

// Run runs the command of spec once. What it writes goes to out, which is used by
// two goroutines. When ctx ends it gets the signal stop, and after ten seconds it is
// killed with its process group. started is told its process ID.
func Run(ctx context.Context, spec command.Spec, stop syscall.Signal, out io.Writer, started func(pid int)) (status int, err error) {
	files, err := command.OpenFiles(spec.User, false, nil)
	if err != nil {
		return command.StatusCannotRun, err
	}
	proc, err := files.Start(spec)
	if err != nil {
		return command.StatusOf(err), err
	}
	started(proc.PID())
	release := context.AfterFunc(ctx, func() {
		if proc.Signal(stop) == nil && !ends(proc.Done(), stopGrace) {
			proc.KillGroup(syscall.SIGKILL)
		}
	})
	defer release()
	status, _, err = files.Attend(proc, command.Copies{Out: func(_ int, o *command.Output) { copyLines(out, o) }})
	files.Release()
	return status, err
}

// ends says whether done is closed within limit.
func ends(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// maxLine is how much is written at once, in bytes: longer lines are split.
const maxLine = 4 << 10

// copyLines passes on whole lines, so that those of two streams do not mix.
func copyLines(out io.Writer, o *command.Output) {
	var line []byte
	buf := make([]byte, maxLine)
	_ = o.Each(buf, func(n int) error {
		for _, b := range buf[:n] {
			if line = append(line, b); b == '\n' || len(line) == maxLine {
				_, _ = out.Write(line) // the program goes on, whoever reads
				line = line[:0]
			}
		}
		return nil
	})
	if len(line) > 0 {
		_, _ = out.Write(append(line, '\n'))
	}
}
