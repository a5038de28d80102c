package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// undoTimeout bounds the undoing of all steps together.
const undoTimeout = time.Minute

// Step is one part of work that leaves nothing when it fails. Do is idempotent.
// Undo (which may be nil) takes back whatever Do may have done, nothing and
// half of it included.
type Step struct {
	Name string
	Do   func(ctx context.Context) error
	Undo func(ctx context.Context) error
}

// RunSteps does the steps in order, each a stage. When one fails, or ctx ends
// before the next, that step and those before it are undone, the last first,
// with a context that does not end with ctx. The error is the step's, joined
// with those of undoing.
func RunSteps(ctx context.Context, p Progress, steps []Step) error {
	for i, step := range steps {
		if step.Name != "" {
			p.Stage(step.Name)
		}
		err := ctx.Err()
		if err == nil {
			err = step.Do(ctx)
		}
		if err != nil {
			return errors.Join(err, undo(ctx, steps[:i+1]))
		}
	}
	return nil
}

func undo(ctx context.Context, steps []Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var errs []error
	for _, step := range slices.Backward(steps) {
		if step.Undo == nil {
			continue
		}
		if err := step.Undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("undo %s: %w", step.Name, err))
		}
	}
	return errors.Join(errs...)
}
