package pace_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

func TestTurnsAreRationed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(3, time.Second)
		taken := 0
		for range 100 {
			if p.Take() {
				taken++
			}
		}
		if taken != 3 {
			t.Errorf("%d turns at once, not 3", taken)
		}
		<-time.After(2 * time.Second)
		for i, want := range []bool{true, true, false} {
			if p.Take() != want {
				t.Errorf("after two seconds turn %d is not %v", i+1, want)
			}
		}
		<-time.After(time.Hour)
		began := time.Now()
		for range 10 {
			if !p.Wait(t.Context()) {
				t.Fatal("no turn")
			}
		}
		if took := time.Since(began).Round(time.Millisecond); took != 7*time.Second {
			t.Errorf("ten turns took %v, not 7s", took)
		}
		over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if p.Wait(over) {
			t.Error("a turn after the end")
		}
	})
}
