// Package entrypoint keeps the image's program running in a guest, by a restart
// policy, and tells how it is.
package entrypoint

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// firstDelay is the wait before the first restart; each further one is twice as
	// long as the one before, and lastDelay at most.
	firstDelay = 500 * time.Millisecond
	lastDelay  = time.Minute
	// settled is how long the program must have run for the waits to begin anew.
	settled = 10 * time.Second
)

// Supervisor runs one program. Run runs it once, until it ends or ctx does, and
// returns a shell's exit status; err says why it did not start. Pause waits, unless
// ctx ends; Tell hears of every change and must not wait.
type Supervisor struct {
	Policy agentrpc.RestartPolicy
	Run    func(ctx context.Context) (status int, err error)
	Pause  func(ctx context.Context, d time.Duration) error
	Now    func() time.Time
	Tell   func(agentrpc.Entrypoint)
}

// Supervise runs the program until it is not to run again, or ctx ends, and returns
// when it has ended.
func (s Supervisor) Supervise(ctx context.Context) {
	delay := firstDelay
	for now := (agentrpc.Entrypoint{}); ctx.Err() == nil; now.Restarts++ {
		now.State, now.Since = agentrpc.EntrypointRunning, s.Now().UTC()
		s.Tell(now)
		status, err := s.Run(ctx)
		ran := s.Now().Sub(now.Since)
		now.State, now.ExitCode, now.Error, now.Since = agentrpc.EntrypointExited, status, "", s.Now().UTC()
		if err != nil {
			now.Error = err.Error()
		}
		if !again(s.Policy, status) || ctx.Err() != nil {
			s.Tell(now)
			return
		}
		if ran >= settled {
			delay = firstDelay
		}
		now.State = agentrpc.EntrypointRestarting
		s.Tell(now)
		if s.Pause(ctx, delay) != nil {
			return
		}
		delay = min(2*delay, lastDelay)
	}
}

func again(policy agentrpc.RestartPolicy, status int) bool {
	return policy == agentrpc.RestartAlways || policy == agentrpc.RestartOnFailure && status != 0
}
