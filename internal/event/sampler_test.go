package event_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/event"
)

func TestSamplesFlowOnlyWhileSomebodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		s := event.NewSampler(func(context.Context) []event.Event {
			taken++
			return []event.Event{{Kind: event.Sample}}
		}, func(round []event.Event) time.Duration { return time.Duration(2*len(round)) * time.Second })
		time.Sleep(time.Minute) //nolint:forbidigo // the clock of the bubble
		if taken != 0 {
			t.Fatalf("%d rounds with nobody there", taken)
		}
		_, changed := s.Latest()
		first, second := s.Watch(), s.Watch()
		<-changed
		if round, _ := s.Latest(); len(round) != 1 {
			t.Errorf("the first round is %v", round)
		}
		time.Sleep(9 * time.Second) //nolint:forbidigo // the clock of the bubble
		first()
		first()
		if taken != 5 { // at 0, 2, 4, 6 and 8 s, for both watchers
			t.Errorf("%d rounds in 9 s", taken)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the clock of the bubble
		second()
		s.Wait()
		if taken != 6 {
			t.Errorf("%d rounds in 11 s", taken)
		}
	})
}
