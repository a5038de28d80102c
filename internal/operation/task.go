package operation

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxDetail bounds what one stage says of itself, in bytes: part of it comes
// from guests and registries.
const maxDetail = 1024

// task is one operation under way. It is the Progress of its work.
type task struct {
	id     string
	now    func() time.Time
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the work has ended and is recorded

	mu      sync.Mutex
	op      Operation
	changed chan struct{} // closed, and made again, at every change
	urgent  chan struct{} // the same, for changes that should be seen at once
}

func newTask(op Operation, cancel context.CancelCauseFunc, now func() time.Time) *task {
	return &task{
		id: op.ID, now: now, cancel: cancel, op: op,
		done: make(chan struct{}), changed: make(chan struct{}), urgent: make(chan struct{}),
	}
}

// Stage implements Progress.
func (t *task) Stage(name string) {
	t.update(true, func(op *Operation) {
		now := t.now()
		op.endStage(StageDone, now)
		op.Stages = append(op.Stages, Stage{Name: name, State: StageRunning, StartedAt: now})
	})
}

// Detail implements Progress.
func (t *task) Detail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxDetail {
		text = text[:maxDetail]
	}
	t.updateStage(func(s *Stage) { s.Detail = text })
}

// Count implements Progress.
func (t *task) Count(done, total int64, unit string) {
	t.updateStage(func(s *Stage) { s.Done, s.Total, s.Unit = done, total, unit })
}

func (t *task) updateStage(change func(*Stage)) {
	t.update(false, func(op *Operation) {
		if n := len(op.Stages); n > 0 {
			change(&op.Stages[n-1])
		}
	})
}

// update changes the operation unless it has ended, and tells the followers.
func (t *task) update(urgent bool, change func(*Operation)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.op.State.Ended() {
		return
	}
	change(&t.op)
	close(t.changed)
	t.changed = make(chan struct{})
	if urgent {
		close(t.urgent)
		t.urgent = make(chan struct{})
	}
}

// snapshot returns the operation as it is, and channels that close when it is
// so no more.
func (t *task) snapshot() (op Operation, changed, urgent <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.op.clone(), t.changed, t.urgent
}

// follow calls see with the present snapshot, and again after changes: at once
// for a new stage or the end, else at most once in interval. It returns after
// the final snapshot, when see returns false, or when ctx ends.
func (t *task) follow(ctx context.Context, interval time.Duration, see func(Operation) bool) {
	for {
		op, changed, urgent := t.snapshot()
		if !see(op) || op.State.Ended() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		pause := time.NewTimer(interval)
		select {
		case <-urgent:
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}
