package firecracker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// maxMetrics bounds one flush of Firecracker's metrics, in bytes: with many disks it
	// takes some 20 KiB. A longer one counts as none.
	maxMetrics = 128 << 10
	// metricsBurst and metricsPause bound the flushes that are read. Firecracker makes one
	// a minute by itself, and drops what the pipe has no room for.
	metricsBurst = 16
	metricsPause = 50 * time.Millisecond
)

// metrics are a flush of Firecracker's metrics, which has what was counted since the one
// before: its src/vmm/src/logger/metrics.rs, and metrics.rs of its devices. "block" is of
// all disks.
type metrics struct {
	Block struct {
		Reads        uint64 `json:"read_count"`
		ReadBytes    uint64 `json:"read_bytes"`
		Writes       uint64 `json:"write_count"`
		WrittenBytes uint64 `json:"write_bytes"`
		Flushes      uint64 `json:"flush_count"`
		Failed       uint64 `json:"execute_fails"`
		Invalid      uint64 `json:"invalid_reqs_count"`
	} `json:"block"`
	Balloon struct {
		Reclaimed uint64 `json:"free_page_report_freed"` // bytes
	} `json:"balloon"`
}

// metricsReader adds up what Firecracker flushes.
type metricsReader struct {
	log  *slog.Logger
	pipe *os.File
	done sync.WaitGroup
	stop context.CancelFunc

	mu      sync.Mutex
	sum     vmm.Counters
	flushes int
	changed chan struct{} // closed, and made again, at each flush
}

// startMetrics reads what open's pipe has, until end. The caller passes theirs to
// Firecracker and closes it.
func startMetrics(log *slog.Logger, open func() (ours, theirs *os.File, err error)) (r *metricsReader, theirs *os.File, err error) {
	ours, theirs, err := open()
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r = &metricsReader{log: log, pipe: ours, stop: stop, changed: make(chan struct{})}
	r.done.Go(func() { r.read(ctx) })
	return r, theirs, nil
}

func (r *metricsReader) read(ctx context.Context) {
	lines := bufio.NewReaderSize(r.pipe, maxMetrics)
	turns := pace.New(metricsBurst, metricsPause)
	for long := false; turns.Wait(ctx); {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
		case err != nil:
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				r.log.Debug("Firecracker's metrics", "err", err)
			}
			return
		case long: // this is the end of one that is too long
			long = false
		default:
			r.take(line)
		}
	}
}

// take adds a flush. One that cannot be read counts as none.
func (r *metricsReader) take(line []byte) {
	var m metrics
	if err := json.Unmarshal(line, &m); err != nil {
		r.log.Debug("Firecracker's metrics", "err", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	add := func(to *int64, n uint64) { *to = vmm.Plus(*to, int64(min(n, math.MaxInt64))) }
	add(&r.sum.DiskReads, m.Block.Reads)
	add(&r.sum.DiskReadBytes, m.Block.ReadBytes)
	add(&r.sum.DiskWrites, m.Block.Writes)
	add(&r.sum.DiskWriteBytes, m.Block.WrittenBytes)
	add(&r.sum.DiskFlushes, m.Block.Flushes)
	add(&r.sum.DiskErrors, m.Block.Failed)
	add(&r.sum.DiskErrors, m.Block.Invalid)
	add(&r.sum.ReclaimedBytes, m.Balloon.Reclaimed)
	r.flushes++
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *metricsReader) now() (vmm.Counters, int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum, r.flushes, r.changed
}

// after waits for a flush after so many.
func (r *metricsReader) after(ctx context.Context, flushes int) (vmm.Counters, error) {
	for {
		sum, n, changed := r.now()
		if n > flushes {
			return sum, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return sum, ctx.Err()
		}
	}
}

// end ends the reading, after the end of Firecracker.
func (r *metricsReader) end() {
	r.stop()
	_ = r.pipe.Close() // a reopened pipe of Firecracker's may outlive it in nobody else
	r.done.Wait()
}

// Counters implements vmm.Machine.
func (m *Machine) Counters(ctx context.Context) (vmm.Counters, error) {
	known, flushes, _ := m.metrics.now()
	err := m.command(ctx, func() error {
		if m.isPaused() && m.api.version.resumeLosesVsock() {
			return nil // the process stands still
		}
		if err := m.api.act(ctx, actionFlush); err != nil {
			return err
		}
		var err error
		known, err = m.metrics.after(ctx, flushes)
		return err
	})
	return known, err
}
