package operation

import (
	"context"
	"errors"
	"log/slog"
	"time"
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
}

// NewRunner returns a Runner. now and log may be nil. Call Recover before the first Start.
func NewRunner(store Store, now func() time.Time, log *slog.Logger) *Runner {
	return &Runner{store: store}
}

// Start begins work in a goroutine of its own. Kind is like "vm.create",
// subject the name of what it works on.
func (r *Runner) Start(kind, subject string, work Work) (Operation, error) { panic("not yet") }

// Get returns an operation as it is now. NotFound when there is none with this id.
func (r *Runner) Get(ctx context.Context, id string) (Operation, error) { panic("not yet") }

// List returns the operations that are kept, newest first.
func (r *Runner) List(ctx context.Context) ([]Operation, error) { panic("not yet") }

// Cancel asks a running operation to end. An ended one is left alone. It does
// not wait.
func (r *Runner) Cancel(ctx context.Context, id string) (Operation, error) { panic("not yet") }

// Watch sends snapshots: the present one at once, then changes (coalesced for
// a slow receiver), then the last one, after which the channel is closed. It
// is closed early when ctx ends.
func (r *Runner) Watch(ctx context.Context, id string) (<-chan Operation, error) { panic("not yet") }

// Recover marks what an earlier daemon left running as failed. Call it once, first.
func (r *Runner) Recover(ctx context.Context) error { panic("not yet") }

// Active is the number of operations under way.
func (r *Runner) Active() int { panic("not yet") }

// Shutdown refuses new work, cancels what runs (with ErrShutdown as the cause)
// and waits for it until ctx ends.
func (r *Runner) Shutdown(ctx context.Context) error { panic("not yet") }
