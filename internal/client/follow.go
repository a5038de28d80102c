package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// undoTime is how long a cancelled operation may take to undo what it did.
const undoTime = 2 * time.Minute

// Follow begins an operation and waits for its end, calling update (which may be
// nil) for each snapshot, like Wait. When ctx ends first, it cancels the
// operation and returns once that has undone what it did, or after two minutes;
// the fault is then Canceled, also when the operation had ended well by then.
// The context that begin gets outlives ctx: an operation that was begun must be
// known, or it could not be cancelled.
func (c *Client) Follow(ctx context.Context, begin func(context.Context) (api.Operation, error), update func(api.Operation)) (api.Operation, error) {
	return follow(ctx, c, begin, update, undoTime)
}

// operations is what follow needs of a Client.
type operations interface {
	Wait(ctx context.Context, id string, onUpdate func(api.Operation)) (api.Operation, error)
	CancelOperation(ctx context.Context, id string) (api.Operation, error)
}

func follow(ctx context.Context, ops operations, begin func(context.Context) (api.Operation, error), update func(api.Operation),
	grace time.Duration,
) (api.Operation, error) {
	late, stop := outliving(ctx, grace)
	defer stop()
	op, err := begin(late)
	if err != nil {
		return op, err
	}
	if update != nil {
		update(op)
	}
	last, err := ops.Wait(ctx, op.ID, update)
	if err == nil || ctx.Err() == nil || last.EndedAt != nil {
		return last, err
	}
	if _, err := ops.CancelOperation(late, op.ID); err != nil {
		return op, fmt.Errorf("cannot cancel the operation %s: %w", op.ID, err)
	}
	last, err = ops.Wait(late, op.ID, update)
	if err == nil {
		// It ended well before the request to cancel reached it.
		return last, fault.New(fault.Canceled, "canceled, but %s was already done", op.Kind)
	}
	return last, err
}

// outliving returns a context that ends grace after ctx does, or with stop.
func outliving(ctx context.Context, grace time.Duration) (late context.Context, stop context.CancelFunc) {
	late, stop = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-late.Done():
		case <-timer.C:
			stop()
		}
	})
	return late, stop
}

// Result decodes what an operation made, which is of the type that the method
// that began it names.
func Result[T any](op api.Operation) (T, error) {
	var out T
	if len(op.Result) == 0 {
		return out, fault.New(fault.Internal, "the operation %s (%s) has no result", op.ID, op.Kind)
	}
	if err := json.Unmarshal(op.Result, &out); err != nil {
		return out, fault.Wrap(fault.Internal, err, "cannot read the result of %s", op.Kind)
	}
	return out, nil
}
