package server

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/event"
)

func TestManyVMsAreMeasuredLessOften(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 2 * time.Second, 1: 2 * time.Second, 24: 2 * time.Second, 25: 4 * time.Second, 75: 8 * time.Second, 1000: 8 * time.Second} {
		if got := pauseAfter(make([]event.Event, n)); got != want {
			t.Errorf("after %d samples: a pause of %s; want %s", n, got, want)
		}
	}
}
