package qemu

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A guest kernel on microvm under software emulation has no timer to calibrate
// its time-stamp counter by, and hangs trying; so it is told the rate, which
// must be true, since the kernel never corrects it. The emulated counter is
// the host's.

// tscPrecision is the error of the rate that is aimed at.
const tscPrecision = 1e-4

// tscLimit bounds the measurement, on hosts too noisy for tscPrecision.
const tscLimit = 20 * time.Millisecond

// tscMark is one reading of both clocks. slack is the longest time that may
// lie between the two, in nanoseconds.
type tscMark struct {
	ticks uint64
	nanos int64
	slack int64
}

// tscClock measures the rate of the host's time-stamp counter against
// CLOCK_MONOTONIC_RAW, from its making on: the earlier it is made, the less
// there is to wait for. The zero value is not usable.
type tscClock struct {
	start tscMark
	mark  func() (tscMark, error)
}

// newTSCClock begins a measurement.
func newTSCClock(mark func() (tscMark, error)) (*tscClock, error) {
	start, err := mark()
	if err != nil {
		return nil, err
	}
	return &tscClock{start: start, mark: mark}, nil
}

// kHz returns the rate in kHz, true to 1 in 10,000 or better. It returns at once
// when the measurement is old enough for that, which takes about 7 ms.
func (c *tscClock) kHz(ctx context.Context) (int64, error) {
	for {
		now, err := c.mark()
		if err != nil {
			return 0, err
		}
		span := now.nanos - c.start.nanos
		need := int64(float64(c.start.slack+now.slack) / tscPrecision)
		if span >= min(need, int64(tscLimit)) && span > 0 {
			return rate(c.start, now)
		}
		timer := time.NewTimer(time.Duration(min(need, int64(tscLimit)) - span + 1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		case <-timer.C:
		}
	}
}

func rate(from, to tscMark) (int64, error) {
	khz := math.Round(float64(to.ticks-from.ticks) / float64(to.nanos-from.nanos) * 1e6)
	const slowest, fastest = 100_000, 10_000_000 // 100 MHz to 10 GHz
	if !(khz >= slowest && khz <= fastest) {
		return 0, fmt.Errorf("the CPU's time-stamp counter seems to run at %.0f kHz, which is impossible", khz)
	}
	return int64(khz), nil
}

// markTSC reads the counter between two readings of the clock, and takes the
// closest of some tries: a try that was interrupted has a wide bracket.
func markTSC() (tscMark, error) {
	best := tscMark{slack: math.MaxInt64}
	for range 32 {
		before, err := rawNanos()
		if err != nil {
			return tscMark{}, err
		}
		ticks := readTSC()
		after, err := rawNanos()
		if err != nil {
			return tscMark{}, err
		}
		if slack := after - before; slack < best.slack {
			best = tscMark{ticks: ticks, nanos: before + slack/2, slack: slack}
		}
	}
	return best, nil
}

func rawNanos() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &ts); err != nil {
		return 0, fmt.Errorf("read CLOCK_MONOTONIC_RAW: %w", err)
	}
	return ts.Nano(), nil
}
