package stream

import (
	"context"
	"time"
)

// Past returns a deadline that makes reads and writes that wait return at once.
func Past() time.Time { return time.Unix(1, 0) }

// Interrupt makes what waits on a connection return with os.ErrDeadlineExceeded when
// ctx ends, until stop is called. set is a method of the connection: SetDeadline,
// SetReadDeadline or SetWriteDeadline. Like that of context.AfterFunc, stop reports
// false when ctx ended first; the connection is then of no more use.
func Interrupt(ctx context.Context, set func(time.Time) error) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = set(Past()) })
}
