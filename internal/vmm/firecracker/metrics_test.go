package firecracker

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vmm"
)

func TestCountersAreWhatFirecrackerFlushed(t *testing.T) {
	m, err := start(t, New(), fake(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(3) {
		got, err := m.Counters(t.Context())
		n++
		want := vmm.Counters{DiskReads: n, DiskReadBytes: 512 * n, DiskWrites: 2 * n, DiskWriteBytes: 1024 * n, DiskFlushes: n, ReclaimedBytes: 4096 * n}
		if err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

func TestCountersOfAStoppedProcessAreTheLastKnown(t *testing.T) {
	m, err := start(t, New(), fake(t, "version=1.16.1"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Counters(t.Context()); err != nil || got != before {
		t.Errorf("%+v, %v; want %+v", got, err, before)
	}
}

func TestAFlushThatFirecrackerRefusesOrHoldsBack(t *testing.T) {
	m, err := start(t, New(), fake(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Counters(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestMetricsAreNotTrusted has what a Firecracker could write that its guest has taken over.
func TestMetricsAreNotTrusted(t *testing.T) {
	r, theirs, err := startMetrics(slog.New(slog.DiscardHandler), os.Pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	defer func() { _ = theirs.Close() }()
	long := `{"block":{"read_bytes":1,"x":"` + strings.Repeat("x", 2*maxMetrics) + `"}}`
	for _, line := range []string{
		`{"block":{"read_bytes":18446744073709551615}}`, // more than fits
		`{"block":{"read_bytes":-1,"write_bytes":5}}`,   // no count: the whole line is none
		`{"block":{"read_bytes":1e400}}`, `{"block":7}`, `[]`, ``, "\x00\xff", long,
		`{"block":{"read_bytes":1,"write_bytes":3}}`,
	} {
		if _, err := theirs.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := r.after(ctx, 1)
	if want := (vmm.Counters{DiskReadBytes: math.MaxInt64, DiskWriteBytes: 3}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
