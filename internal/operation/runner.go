package operation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
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

// Work is what an operation does. The context is the operation's own: it ends
// when the operation is cancelled, with whoever asked for it long gone or not.
// The result is stored as JSON.
type Work func(ctx context.Context, p Progress) (any, error)

// Runner runs operations and keeps their records. Its methods are safe for
// concurrent use.
type Runner struct {
	store Store
	now   func() time.Time
	log   *slog.Logger

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

// Start begins work in a goroutine of its own. Kind is like "vm.create",
// subject the name of what it works on. Unavailable after Shutdown.
func (r *Runner) Start(kind, subject string, work Work) (Operation, error) {
	op := Operation{ID: newID(), Kind: kind, Subject: subject, State: Running, CreatedAt: r.now()}
	ctx, cancel := context.WithCancelCause(context.Background())
	t := newTask(op, cancel, r.now)

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		cancel(ErrShutdown)
		return Operation{}, fault.New(fault.Unavailable, "%s: %v", kind, ErrShutdown).
			WithHint("try again: the daemon is started when it is needed")
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
	go r.run(ctx, t, work)
	return op, nil
}

func (r *Runner) run(ctx context.Context, t *task, work Work) {
	defer r.running.Done()
	defer close(t.done)
	defer t.cancel(nil)

	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		t.follow(recording, saveInterval, func(op Operation) bool {
			if err := r.save(recording, op); err != nil {
				r.log.Warn("operation progress not stored", "operation", op.ID, "error", err)
			}
			return true
		})
	}()
	result, err := r.attempt(ctx, t, work)
	stopRecording()
	<-recorded

	final, _, _ := t.snapshot()
	conclude(&final, context.Cause(ctx), result, err, r.now())
	if final.Code == string(fault.Internal) {
		r.log.Error("operation ended with an internal error", "operation", final.ID, "kind", final.Kind, "error", err)
	}
	saved := r.save(ctx, final)
	t.update(true, func(op *Operation) { *op = final })
	if saved != nil {
		// It stays in memory, so that whoever asks learns how it ended.
		r.log.Error("end of operation not stored", "operation", final.ID, "error", saved)
		return
	}
	r.forget(final.ID)
	r.prune(ctx)
}

// attempt runs the work and turns a panic into an Internal fault.
func (r *Runner) attempt(ctx context.Context, t *task, work Work) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic in an operation", "operation", t.id, "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "a defect in banger ended this: %v", p).
				WithHint("banger daemon logs")
		}
	}()
	value, err := work(ctx, t)
	if err != nil {
		return nil, err
	}
	result, err = json.Marshal(value)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode the result")
	}
	return result, nil
}

// conclude sets how an operation ended. Work that succeeded although it was
// cancelled has succeeded.
func conclude(op *Operation, cause error, result json.RawMessage, err error, now time.Time) {
	op.EndedAt = now
	if err == nil {
		op.State, op.Result = Succeeded, result
		op.endStage(StageDone, now)
		return
	}
	op.endStage(StageFailed, now)
	switch {
	case errors.Is(cause, ErrShutdown):
		op.interrupted(ErrShutdown.Error())
	case errors.Is(cause, context.Canceled):
		op.State, op.Code, op.Message = Canceled, string(fault.Canceled), "canceled"
		if fault.CodeOf(err) != fault.Canceled {
			op.Message = "canceled: " + err.Error()
		}
	default:
		op.State, op.Code = Failed, string(fault.CodeOf(err))
		op.Message, op.Hint = err.Error(), fault.HintOf(err)
	}
}

// interrupted marks an operation that a daemon's end cut short.
func (o *Operation) interrupted(why string) {
	o.State, o.Code, o.Message = Failed, string(fault.Unavailable), why
	o.Hint = "give the command again"
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

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return hex.EncodeToString(b[:])
}
