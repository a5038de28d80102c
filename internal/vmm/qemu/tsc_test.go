package qemu

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestTSCRateIsRepeatable(t *testing.T) {
	if !haveTSC {
		t.Skip("no time-stamp counter on this architecture")
	}
	measure := func() float64 {
		c, err := newTSCClock(markTSC)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		khz, err := c.kHz(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d kHz in %v", khz, time.Since(start))
		return float64(khz)
	}
	a, b := measure(), measure()
	if diff := math.Abs(a-b) / a; diff > 1e-3 {
		t.Errorf("two measurements differ by %.2g of the rate", diff)
	}
}

func TestTSCRateWaitsForPrecision(t *testing.T) {
	// A fake pair of clocks: 2 GHz, and 1 µs of slack at each reading.
	var nanos int64
	marks := 0
	c, err := newTSCClock(func() (tscMark, error) {
		marks++
		m := tscMark{ticks: uint64(2 * nanos), nanos: nanos, slack: 1000}
		nanos += int64(tscLimit)
		return m, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	khz, err := c.kHz(t.Context())
	if err != nil || khz != 2_000_000 {
		t.Errorf("kHz = %d, %v; want 2000000", khz, err)
	}
	if marks != 2 {
		t.Errorf("%d readings; want 2, since the second came late enough", marks)
	}
}

func TestTSCRateEndsWithContext(t *testing.T) {
	c, err := newTSCClock(func() (tscMark, error) { return tscMark{slack: 1000}, nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.kHz(ctx); err == nil {
		t.Error("kHz of a standing clock gave no error")
	}
}

func TestTSCRateRefusesTheImpossible(t *testing.T) {
	if khz, err := rate(tscMark{}, tscMark{ticks: 1, nanos: 1e9}); err == nil {
		t.Errorf("a counter that stands gave %d kHz", khz)
	}
}
