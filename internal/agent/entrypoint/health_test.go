package entrypoint

import (
	"context"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// outcome is how one check ends, and how long it takes.
type outcome struct {
	status int
	output string
	takes  time.Duration
}

// watch checks until there are no more outcomes.
func watch(t *testing.T, check agentrpc.HealthCheck, outcomes ...outcome) (waits []time.Duration, told []agentrpc.EntrypointHealth) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now := time.Unix(1_700_000_000, 0)
	HealthChecker{
		Check: check, Now: func() time.Time { return now },
		Run: func(_ context.Context, out io.Writer) (int, error) {
			o := outcomes[0]
			outcomes, now = outcomes[1:], now.Add(o.takes)
			_, err := io.WriteString(out, o.output)
			return o.status, err
		},
		Pause: func(ctx context.Context, d time.Duration) error {
			if len(outcomes) == 0 {
				cancel()
				return ctx.Err()
			}
			waits, now = append(waits, d), now.Add(d)
			return nil
		},
		Tell: func(h agentrpc.EntrypointHealth) { told = append(told, h) },
	}.Watch(ctx)
	return waits, told
}

func states(told []agentrpc.EntrypointHealth) (all []agentrpc.HealthState) {
	for _, h := range told {
		all = append(all, h.State)
	}
	return all
}

const (
	starting  = agentrpc.HealthStarting
	healthy   = agentrpc.HealthHealthy
	unhealthy = agentrpc.HealthUnhealthy
)

func TestStatesOfHealth(t *testing.T) {
	check := agentrpc.HealthCheck{Interval: 10 * time.Second, Timeout: time.Minute, StartInterval: time.Second, Retries: 2}
	for name, tc := range map[string]struct {
		statuses []int
		want     []agentrpc.HealthState
	}{
		"succeeds":             {[]int{0, 0, 0}, []agentrpc.HealthState{starting, healthy}},
		"one failure is few":   {[]int{0, 1, 0}, []agentrpc.HealthState{starting, healthy, healthy, healthy}},
		"failures in a row":    {[]int{0, 1, 1}, []agentrpc.HealthState{starting, healthy, healthy, unhealthy}},
		"recovers":             {[]int{1, 1, 0}, []agentrpc.HealthState{starting, starting, unhealthy, healthy}},
		"a success in between": {[]int{0, 7, 0, 7}, []agentrpc.HealthState{starting, healthy, healthy, healthy, healthy}},
	} {
		var outcomes []outcome
		for _, s := range tc.statuses {
			outcomes = append(outcomes, outcome{status: s})
		}
		if _, told := watch(t, check, outcomes...); !slices.Equal(states(told), tc.want) {
			t.Errorf("%s: %v, want %v", name, states(told), tc.want)
		}
	}
}

// TestTheStartPeriod fails for failures that count while the program begins, and for
// intervals that are not those of its beginning.
func TestTheStartPeriod(t *testing.T) {
	check := agentrpc.HealthCheck{Interval: 10 * time.Second, Timeout: time.Minute, StartPeriod: 5 * time.Second, StartInterval: 2 * time.Second, Retries: 1}
	waits, told := watch(t, check, outcome{status: 1}, outcome{status: 1}, outcome{status: 1})
	if want := []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	if want := []agentrpc.HealthState{starting, starting, unhealthy}; !slices.Equal(states(told), want) {
		t.Errorf("states %v, want %v", states(told), want)
	}
	waits, told = watch(t, check, outcome{}, outcome{status: 1})
	if want := []time.Duration{2 * time.Second, 10 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("once healthy, waits %v, want %v", waits, want)
	}
	if last := told[len(told)-1]; last.State != unhealthy || last.Failures != 1 {
		t.Errorf("one that was healthy once: %+v", last)
	}
}

// TestOutputOfAHealthCheck fails for output that is not bounded, or of another check.
func TestOutputOfAHealthCheck(t *testing.T) {
	check := agentrpc.HealthCheck{Interval: time.Second, Timeout: time.Minute, StartInterval: time.Second, Retries: 3}
	_, told := watch(t, check, outcome{output: "fine\n"}, outcome{output: strings.Repeat("x", 1<<20)}, outcome{status: 1, output: "\xff"})
	if told[1].Output != "fine" || len(told[2].Output) != agentrpc.MaxHealthOutput || told[3].Output != "?" {
		t.Errorf("%q, %d bytes, %q", told[1].Output, len(told[2].Output), told[3].Output)
	}
}

// TestACheckIsKilledAtItsTimeout fails for a check, or a child of it, that outlives it.
func TestACheckIsKilledAtItsTimeout(t *testing.T) {
	h := HealthChecker{
		Check: agentrpc.HealthCheck{Timeout: 200 * time.Millisecond},
		Run: func(ctx context.Context, out io.Writer) (int, error) {
			return Run(ctx, spec(t, "sleep 600 & echo $!; wait"), syscall.SIGKILL, out, func(int) {})
		},
	}
	begun := time.Now()
	status, output := h.once(t.Context())
	if status != statusTimeout || output != "the health check did not end within 200ms" {
		t.Errorf("%d, %q", status, output)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	h.Check.Timeout = time.Minute
	h.Run = func(ctx context.Context, out io.Writer) (int, error) {
		s := spec(t, "")
		s.Argv = []string{"/no/such"}
		return Run(ctx, s, syscall.SIGKILL, out, func(int) {})
	}
	if status, output := h.once(t.Context()); status != 127 || !strings.Contains(output, "/no/such") {
		t.Errorf("one that is not there: %d, %q", status, output)
	}
}
