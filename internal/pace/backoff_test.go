package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

func TestPausesDoubleUpToTheLongestUntilTheyAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pace.NewBackoff(2*time.Second, 7*time.Second)
		for round := range 2 {
			for i, want := range []time.Duration{2, 4, 7, 7} {
				began := time.Now()
				if err := b.Pause(t.Context()); err != nil || time.Since(began) != want*time.Second {
					t.Errorf("round %d, pause %d: %v after %v, want %v", round, i, err, time.Since(began), want*time.Second)
				}
			}
			b.Reset()
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Pause(over); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}
