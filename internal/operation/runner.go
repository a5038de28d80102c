package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
)

// Store keeps the records of operations. Errors are faults: NotFound for an
// unknown id.
type Store interface {
	// Save adds or replaces the record with op's ID.
	Save(ctx context.Context, op Operation) error
	Get(ctx context.Context, id string) (Operation, error)
	// List returns the newest operations first.
	List(ctx context.Context) ([]Operation, error)
	// Prune removes all ended operations but the newest keep.
	Prune(ctx context.Context, keep int) error
}

// Events hears of each operation: when it was recorded, at each stage, of its progress
// at most once a second, and when its end was recorded. It must not wait.
type Events interface {
	OperationChanged(op Operation)
}

const (
	// keepEnded is how many ended operations are kept.
	keepEnded = 200
	// saveInterval and watchInterval bound how often mere progress is stored
	// and sent. New stages and the end are not held back.
	saveInterval  = time.Second
	watchInterval = 100 * time.Millisecond
	// storeTimeout bounds one access to the store that no caller bounds.
	storeTimeout = 10 * time.Second
)

// ErrShutdown is the cause (context.Cause) with which Shutdown ends work. Work
// that a later daemon can take over may leave things as they are.
var ErrShutdown = errors.New("the daemon is shutting down")

// Work is what an operation does. The context is the operation's own: it has the
// values of the one that Start got, and ends when the operation is cancelled, with
// whoever asked for it long gone or not.
// The result is stored as JSON.
type Work func(ctx context.Context, p Progress) (any, error)

// Runner runs operations and keeps their records. Its methods are safe for
// concurrent use.
type Runner struct {
	store  Store
	events Events // or nil
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	tasks   map[string]*task
	closed  bool
	running sync.WaitGroup
}

// NewRunner returns a Runner. now and log may be nil. Call Recover before the
// first Start, and Shutdown at the end.
func NewRunner(store Store, now func() time.Time, log *slog.Logger) *Runner {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	utc := func() time.Time { return now().UTC() }
	return &Runner{store: store, now: utc, log: log, tasks: map[string]*task{}}
}

// Tell says who hears of operations, before the first Start.
func (r *Runner) Tell(events Events) { r.events = events }

func (r *Runner) tell(op Operation) {
	if r.events != nil {
		r.events.OperationChanged(op)
	}
}

// Start begins work in its own goroutine. Kind is like "vm.create",
// subject the name of what it works on. The work has ctx's values, but does not
// end with it. Unavailable after Shutdown.
func (r *Runner) Start(ctx context.Context, kind, subject string, work Work) (Operation, error) {
	op := Operation{ID: ids.New(), Kind: kind, Subject: subject, State: Running, CreatedAt: r.now()}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	t := newTask(op, cancel, r.now)

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		cancel(ErrShutdown)
		return Operation{}, fault.New(fault.Unavailable, "%s: %v", kind, ErrShutdown).
			WithHint("try again: banger starts the daemon when needed")
	}
	r.tasks[op.ID] = t
	r.running.Add(1)
	r.mu.Unlock()

	if err := r.save(ctx, op); err != nil {
		r.forget(op.ID)
		cancel(err)
		close(t.done)
		r.running.Done()
		return Operation{}, fmt.Errorf("record the operation %s: %w", kind, err)
	}
	r.tell(op)
	go r.run(ctx, t, work)
	return op, nil
}

// Get returns an operation as it is now. NotFound when there is none with this id.
func (r *Runner) Get(ctx context.Context, id string) (Operation, error) {
	if t := r.task(id); t != nil {
		op, _, _ := t.snapshot()
		return op, nil
	}
	return r.store.Get(ctx, id)
}

// List returns the operations that are kept, newest first.
func (r *Runner) List(ctx context.Context) ([]Operation, error) {
	ops, err := r.store.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range ops {
		if t := r.task(ops[i].ID); t != nil {
			ops[i], _, _ = t.snapshot()
		}
	}
	return ops, nil
}

// Cancel asks a running operation to end. An ended one is left alone. It does
// not wait.
func (r *Runner) Cancel(ctx context.Context, id string) (Operation, error) {
	if t := r.task(id); t != nil {
		t.cancel(context.Canceled)
	}
	return r.Get(ctx, id)
}

// Watch sends snapshots: the present one at once, then changes (coalesced for
// a slow receiver), then the last one, after which the channel is closed. It
// is closed early when ctx ends.
func (r *Runner) Watch(ctx context.Context, id string) (<-chan Operation, error) {
	ch := make(chan Operation, 1)
	t := r.task(id)
	if t == nil {
		op, err := r.store.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		ch <- op
		close(ch)
		return ch, nil
	}
	go func() {
		defer close(ch)
		t.follow(ctx, watchInterval, func(op Operation) bool {
			select {
			case ch <- op:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return ch, nil
}

// Recover marks what an earlier daemon left running as failed. Call it once, first.
func (r *Runner) Recover(ctx context.Context) error {
	ops, err := r.store.List(ctx)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.State.Ended() {
			continue
		}
		op.EndedAt = r.now()
		op.endStage(StageFailed, op.EndedAt)
		op.interrupted("the daemon ended while this ran")
		if err := r.store.Save(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

// Active is the number of operations under way.
func (r *Runner) Active() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, t := range r.tasks {
		if op, _, _ := t.snapshot(); !op.State.Ended() {
			n++
		}
	}
	return n
}

// Shutdown refuses new work, cancels what runs (with ErrShutdown as the cause)
// and waits for it until ctx ends.
func (r *Runner) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var pending []*task
	for _, t := range r.tasks {
		t.cancel(ErrShutdown)
		pending = append(pending, t)
	}
	r.mu.Unlock()
	for _, t := range pending {
		select {
		case <-t.done:
		case <-ctx.Done():
			return fmt.Errorf("operation %s has not ended: %w", t.id, ctx.Err())
		}
	}
	r.running.Wait()
	return nil
}

func (r *Runner) task(id string) *task {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tasks[id]
}

func (r *Runner) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tasks, id)
}

// save stores the record even when ctx has ended.
func (r *Runner) save(ctx context.Context, op Operation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return r.store.Save(ctx, op)
}

func (r *Runner) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := r.store.Prune(ctx, keepEnded); err != nil {
		r.log.Warn("old operations not removed", "error", err)
	}
}
