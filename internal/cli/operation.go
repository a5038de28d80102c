package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// follow begins an operation and shows its stages until it ends. When ctx is
// cancelled (Ctrl-C), it cancels the operation and waits until it has undone
// what it did; the fault is then Canceled. It does not close show.
func follow(ctx context.Context, c *client.Client, show stages, begin func(context.Context) (api.Operation, error)) (api.Operation, error) {
	// What was begun must be known, or it could not be cancelled.
	detached := context.WithoutCancel(ctx)
	op, err := begin(detached)
	if err != nil {
		return op, err
	}
	show.update(op)
	last, err := c.Wait(ctx, op.ID, show.update)
	if err != nil && ctx.Err() != nil && last.EndedAt == nil {
		return cancelAndWait(detached, c, show, op)
	}
	return last, err
}

func cancelAndWait(ctx context.Context, c *client.Client, show stages, op api.Operation) (api.Operation, error) {
	if _, err := c.CancelOperation(ctx, op.ID); err != nil {
		return op, fmt.Errorf("cannot cancel the operation %s: %w", op.ID, err)
	}
	last, err := c.Wait(ctx, op.ID, show.update)
	if err == nil {
		// It ended well before the request to cancel reached it.
		return last, fault.New(fault.Canceled, "interrupted, but %s was already done", op.Kind)
	}
	return last, err
}

// result decodes what an operation made.
func result[T any](op api.Operation) (T, error) {
	var out T
	if len(op.Result) == 0 {
		return out, fault.New(fault.Internal, "the operation %s (%s) has no result", op.ID, op.Kind)
	}
	if err := json.Unmarshal(op.Result, &out); err != nil {
		return out, fault.Wrap(fault.Internal, err, "cannot read the result of %s", op.Kind)
	}
	return out, nil
}
