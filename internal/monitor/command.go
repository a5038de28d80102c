package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
)

// maxOwnLog bounds monitor.log, in bytes; with monitor.log.1 it is twice that.
const maxOwnLog = 1 << 20

// Command is `bangerd monitor DIR`: it runs the monitor of the VM whose
// directory is args[0] until that VM has ended, and returns the process's exit
// status: 0 when exit.json says how the VM ended. stderr gets usage errors and
// the log. SIGTERM and SIGINT ask the guest to go down. Where the parent left
// descriptor monitorrpc.ReadyFD open, it is told there how the start went.
func Command(args []string, stderr io.Writer) int {
	if len(args) != 1 {
		_, _ = fmt.Fprintln(stderr, "usage: bangerd monitor DIR")
		return 2
	}
	// One monitor runs for each VM, and does next to nothing.
	debug.SetGCPercent(40)
	debug.SetMemoryLimit(64 << 20)
	log := ownLog(args[0], stderr)
	parent := openParent()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	err := Main(ctx, args[0], sync.OnceFunc(func() { parent.say([]byte(monitorrpc.ReadyLine)) }), log)
	if err == nil {
		return 0
	}
	log.Error("the monitor ends", "err", err)
	if line, encErr := json.Marshal(fault.ProblemOf(err)); encErr == nil {
		parent.say(append(line, '\n'))
	}
	return 1
}

// ownLog is the monitor's log, which a guest cannot make grow: neither beyond
// a size, nor quickly.
func ownLog(dir string, stderr io.Writer) *slog.Logger {
	to := boundlog.Stderr(statedir.VM(dir).MonitorLog(), maxOwnLog, stderr)
	return slog.New(boundlog.NewHandler(slog.NewTextHandler(to, nil))).With("pid", os.Getpid())
}

// parentPipe is the descriptor on which whoever started the monitor waits.
type parentPipe struct{ f *os.File }

// openParent takes the descriptor if it is there and is a pipe.
func openParent() *parentPipe {
	var stat syscall.Stat_t
	if syscall.Fstat(monitorrpc.ReadyFD, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return &parentPipe{}
	}
	syscall.CloseOnExec(monitorrpc.ReadyFD)
	return &parentPipe{f: os.NewFile(monitorrpc.ReadyFD, "parent")}
}

// say writes one line, once; the parent may be gone.
func (p *parentPipe) say(line []byte) {
	if p.f == nil {
		return
	}
	_, _ = p.f.Write(line)
	_ = p.f.Close()
	p.f = nil
}

// pauseNow and resumeNow run in the caller's goroutine, since the VMM may take
// its time; the state follows the VMM's events.
func (s *supervisor) pauseNow(ctx context.Context) error {
	return s.command(ctx, "pause", vmm.Machine.Pause)
}

func (s *supervisor) resumeNow(ctx context.Context) error {
	return s.command(ctx, "resume", vmm.Machine.Resume)
}

// stopNow begins the way down; the end is an event.
func (s *supervisor) stopNow(ctx context.Context, timeout time.Duration) error {
	var busy error
	err := s.ask(ctx, func() {
		if timeout > 0 {
			busy = s.whileSuspending("stop")
		}
		if busy == nil {
			s.stop(ctx, timeout)
		}
	})
	return errors.Join(err, busy)
}

func (s *supervisor) command(ctx context.Context, name string, do func(vmm.Machine, context.Context) error) error {
	var m vmm.Machine
	var busy error
	if err := s.ask(ctx, func() { m, busy = s.machine, s.whileSuspending(name) }); err != nil || busy != nil {
		return errors.Join(err, busy)
	}
	if err := do(m, ctx); err != nil {
		return err
	}
	err := s.ask(ctx, s.publish)
	if errors.Is(err, errEnded) {
		return errEnded
	}
	return err
}
