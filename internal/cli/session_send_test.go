package cli

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

func TestALongInputWaitsForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := fault.New(fault.Busy, "the command does not read its stdin")
		var frees time.Time
		calls := 0
		send := patient(t.Context(), func([]byte, bool) error {
			calls++
			if time.Now().Before(frees) {
				return busy
			}
			return nil
		})
		frees = time.Now().Add(time.Second)
		if err := send([]byte("a"), false); !errors.Is(err, fault.Busy) || calls != 1 {
			t.Errorf("the first piece: %v after %d tries; want Busy at once", err, calls)
		}
		<-time.After(time.Second)
		if err := send([]byte("bc"), false); err != nil {
			t.Fatal(err)
		}
		frees = time.Now().Add(3 * time.Second)
		if err := send([]byte("def"), false); err != nil || time.Now().Before(frees) {
			t.Errorf("a reader that is slow: %v", err)
		}
		frees = time.Now().Add(time.Hour)
		if err := send([]byte("ghi"), true); !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "took only 6 bytes") {
			t.Errorf("a reader that has stopped: %v; want Busy, after 6 bytes", err)
		}
	})
}
