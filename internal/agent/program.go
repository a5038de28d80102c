package agent

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/entrypoint"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
)

// program is the image's program, if this agent runs it.
type program struct {
	begin func()        // closes may; more than once does nothing
	may   chan struct{} // closed when the guest is configured

	mu     sync.Mutex                 // guards what follows
	now    *agentrpc.Entrypoint       // nil: it was never started
	health *agentrpc.EntrypointHealth // nil: it does not run, or has no check
	cancel context.CancelFunc         // nil: it is not supervised
	done   chan struct{}              // closed when it is supervised no more
}

func newProgram() *program {
	may := make(chan struct{})
	return &program{begin: sync.OnceFunc(func() { close(may) }), may: may, done: make(chan struct{})}
}

func (p *program) get() (*agentrpc.Entrypoint, *agentrpc.EntrypointHealth) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.health
}

// stop ends the program by its stop signal, or hard after a while, and returns when
// it has ended.
func (p *program) stop() {
	p.mu.Lock()
	cancel := p.cancel
	p.mu.Unlock()
	if cancel != nil {
		cancel()
		<-p.done
	}
}

// supervise runs the image's program, once the guest is configured, until ctx ends.
func (a *agent) supervise(ctx context.Context) {
	select {
	case <-a.program.may:
	case <-ctx.Done():
		return
	}
	a.mu.Lock()
	s := a.saved
	a.mu.Unlock()
	if s.Program.Restart == "" || len(s.Program.Argv) == 0 {
		return
	}
	if s.ProgramPID > 1 { // of an agent that died: nobody would hear of its end
		if sid, err := unix.Getsid(s.ProgramPID); err == nil && sid == s.ProgramPID {
			_ = unix.Kill(-s.ProgramPID, unix.SIGKILL)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.program.mu.Lock()
	a.program.cancel = cancel
	a.program.mu.Unlock()
	defer close(a.program.done)
	entrypoint.Supervisor{
		Policy: s.Program.Restart, Pause: pace.Pause, Now: time.Now, Tell: a.tellProgram,
		Run: func(ctx context.Context) (int, error) { return a.runProgram(ctx, s) },
	}.Supervise(ctx)
}

// runProgram runs the image's program once, with its health check beside it.
func (a *agent) runProgram(ctx context.Context, s saved) (int, error) {
	spec, err := s.commands().Spec("", "")
	if err != nil {
		return command.StatusOf(err), err
	}
	spec.Argv = s.Program.Argv
	checked, cancel := context.WithCancel(ctx)
	var checks sync.WaitGroup
	defer checks.Wait()
	defer cancel()
	return entrypoint.Run(ctx, spec, command.StopSignal(s.Program.StopSignal), os.Stdout, func(pid int) {
		a.keepProgramPID(pid)
		a.watchHealth(checked, s, &checks)
	})
}

func (a *agent) tellProgram(now agentrpc.Entrypoint) {
	a.program.mu.Lock()
	if a.program.now = &now; now.State != agentrpc.EntrypointRunning {
		a.program.health = nil
	}
	a.program.mu.Unlock()
	a.ctl.send(agentrpc.GuestMessage{Entrypoint: &now})
}

// keepProgramPID leaves the process to an agent that replaces this one.
func (a *agent) keepProgramPID(pid int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saved.ProgramPID = pid
	if err := save(a.state, a.saved); err != nil {
		a.log.Warn("the program's process", "err", err)
	}
}
