package agent

import (
	"context"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/entrypoint"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
)

// watchHealth checks the health of the image's program, which has started, in a goroutine of
// running, until ctx ends.
func (a *agent) watchHealth(ctx context.Context, s saved, running *sync.WaitGroup) {
	if s.Program.Health == nil {
		return
	}
	checker := entrypoint.HealthChecker{
		Check: *s.Program.Health, Pause: pace.Pause, Now: time.Now, Tell: a.tellHealth,
		Run: func(ctx context.Context, out io.Writer) (int, error) {
			spec, err := s.commands().Spec("", "")
			if err != nil {
				return command.StatusOf(err), err
			}
			spec.Argv = s.Program.Health.Argv
			return entrypoint.Run(ctx, spec, syscall.SIGKILL, out, func(int) {})
		},
	}
	running.Go(func() { checker.Watch(ctx) })
}

func (a *agent) tellHealth(now agentrpc.EntrypointHealth) {
	a.program.mu.Lock()
	a.program.health = &now
	a.program.mu.Unlock()
	a.ctl.send(agentrpc.GuestMessage{EntrypointHealth: &now})
}
