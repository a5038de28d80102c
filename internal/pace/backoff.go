package pace

import (
	"context"
	"time"
)

// Backoff is the pauses between tries: each is twice as long as the one before, up
// to a longest. It is not safe for concurrent use.
type Backoff struct{ first, longest, next time.Duration }

// NewBackoff returns a Backoff that begins with first, which is above zero.
func NewBackoff(first, longest time.Duration) *Backoff {
	return &Backoff{first: first, longest: longest, next: first}
}

// Next returns the next pause, for a caller that waits by other means.
func (b *Backoff) Next() time.Duration {
	d := b.next
	b.next = min(2*d, b.longest)
	return d
}

// Pause waits for the next pause. When ctx ends before, it returns ctx's error at once.
func (b *Backoff) Pause(ctx context.Context) error { return Pause(ctx, b.Next()) }

// Reset begins with the first pause again, after a try that worked.
func (b *Backoff) Reset() { b.next = b.first }
