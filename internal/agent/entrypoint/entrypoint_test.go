package entrypoint

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// run supervises a program that ends with each status in turn after lasting so long,
// and cancels when there are no more.
func run(t *testing.T, policy agentrpc.RestartPolicy, lasts time.Duration, statuses ...int) (waits []time.Duration, told []agentrpc.Entrypoint) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now := time.Unix(1_700_000_000, 0)
	Supervisor{
		Policy: policy, Now: func() time.Time { return now },
		Run: func(context.Context) (int, error) {
			now = now.Add(lasts)
			status := statuses[0]
			if statuses = statuses[1:]; len(statuses) == 0 {
				defer cancel()
			}
			if status == 127 {
				return status, errors.New("no such file")
			}
			return status, nil
		},
		Pause: func(ctx context.Context, d time.Duration) error {
			waits = append(waits, d)
			return ctx.Err()
		},
		Tell: func(e agentrpc.Entrypoint) { told = append(told, e) },
	}.Supervise(ctx)
	return waits, told
}

func TestPolicies(t *testing.T) {
	for _, tc := range []struct {
		policy   agentrpc.RestartPolicy
		statuses []int
		restarts int
		state    agentrpc.EntrypointState
		code     int
	}{
		{agentrpc.RestartNo, []int{1, 9, 9}, 0, agentrpc.EntrypointExited, 1},
		{agentrpc.RestartOnFailure, []int{1, 137, 0, 9}, 2, agentrpc.EntrypointExited, 0},
		{agentrpc.RestartAlways, []int{0, 1, 0}, 2, agentrpc.EntrypointExited, 0},
		{"", []int{1, 9}, 0, agentrpc.EntrypointExited, 1},
	} {
		_, told := run(t, tc.policy, time.Second, tc.statuses...)
		last := told[len(told)-1]
		if last.Restarts != tc.restarts || last.State != tc.state || last.ExitCode != tc.code {
			t.Errorf("%s: %+v", tc.policy, last)
		}
		if told[0].State != agentrpc.EntrypointRunning {
			t.Errorf("%s begins with %+v", tc.policy, told[0])
		}
	}
	if _, told := run(t, agentrpc.RestartNo, 0, 127, 0); told[1].Error != "no such file" || told[1].ExitCode != 127 {
		t.Errorf("one that does not start: %+v", told[1])
	}
}

// TestDelaysGrowAndAreBounded fails for a program that ends at once and takes the CPU.
func TestDelaysGrowAndAreBounded(t *testing.T) {
	waits, told := run(t, agentrpc.RestartAlways, time.Second, make([]int, 12)...)
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute, time.Minute, time.Minute}
	if !slices.Equal(waits, want) {
		t.Errorf("waits = %v, want %v", waits, want)
	}
	if told[1].State != agentrpc.EntrypointRestarting {
		t.Errorf("while it waits: %+v", told[1])
	}
	waits, _ = run(t, agentrpc.RestartAlways, settled, 0, 0, 0, 0)
	if !slices.Equal(waits, []time.Duration{firstDelay, firstDelay, firstDelay}) {
		t.Errorf("after a good while the waits are %v", waits)
	}
}
