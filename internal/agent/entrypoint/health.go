package entrypoint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// HealthChecker checks the program's health. Run runs the check once, until it ends or ctx
// does, with what it writes going to out, and returns a shell's exit status; err says
// why it did not start. Pause waits, unless ctx ends; Tell hears of every change and must
// not wait.
type HealthChecker struct {
	Check agentrpc.HealthCheck
	Run   func(ctx context.Context, out io.Writer) (status int, err error)
	Pause func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
	Tell  func(agentrpc.EntrypointHealth)
}

// Watch checks one run of the program, from its start until ctx ends, as Docker does: the
// states are those of its field Healthcheck.
func (h HealthChecker) Watch(ctx context.Context) {
	start := h.Now()
	now := agentrpc.EntrypointHealth{State: agentrpc.HealthStarting, Since: start.UTC()}
	h.Tell(now)
	for {
		if h.Pause(ctx, h.wait(now, start)) != nil {
			return
		}
		begin := h.Now()
		status, output := h.once(ctx)
		if ctx.Err() != nil {
			return
		}
		next := h.judge(now, status, begin.Sub(start))
		if next.Output = output; next.State != now.State {
			next.Since = h.Now().UTC()
		}
		if next != now {
			h.Tell(next)
		}
		now = next
	}
}

// wait is how long it is until the next check.
func (h HealthChecker) wait(now agentrpc.EntrypointHealth, start time.Time) time.Duration {
	if now.State == agentrpc.HealthStarting && h.Now().Sub(start) < h.Check.StartPeriod {
		return h.Check.StartInterval
	}
	return h.Check.Interval
}

// judge is what a check's status makes of the health. after is the time from the program's
// start to the check's.
func (h HealthChecker) judge(now agentrpc.EntrypointHealth, status int, after time.Duration) agentrpc.EntrypointHealth {
	now.ExitCode = status
	switch {
	case status == 0:
		now.State, now.Failures = agentrpc.HealthHealthy, 0
	case now.State == agentrpc.HealthStarting && after < h.Check.StartPeriod: // it does not count
	default:
		if now.Failures++; now.Failures >= h.Check.Retries {
			now.State = agentrpc.HealthUnhealthy
		}
	}
	return now
}

// statusTimeout is that of a check that is killed at its timeout.
const statusTimeout = 124

// once runs the check within its timeout, and keeps the beginning of its output.
func (h HealthChecker) once(ctx context.Context) (status int, output string) {
	limited, cancel := context.WithTimeout(ctx, h.Check.Timeout)
	defer cancel()
	out := &beginning{}
	status, err := h.Run(limited, out)
	switch {
	case err != nil:
		return status, err.Error()
	case limited.Err() != nil:
		return statusTimeout, fmt.Sprintf("the health check did not end within %s", h.Check.Timeout)
	default:
		return status, out.String()
	}
}

// beginning keeps the first agentrpc.MaxHealthOutput bytes that are written to it.
type beginning struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// Write implements io.Writer.
func (b *beginning) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.Write(p[:min(len(p), agentrpc.MaxHealthOutput-b.kept.Len())])
	return len(p), nil
}

// String is what was kept, as UTF-8.
func (b *beginning) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(b.kept.String()), "?")
}
