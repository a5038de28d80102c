package pace

import (
	"context"
	"time"
)

// Pause waits for d. When ctx ends before, it returns ctx's error at once.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
