// Package pace bounds how often something is done.
package pace

import (
	"context"
	"sync"
	"time"
)

// Pace gives turns: some at once, then one each interval. It is safe for
// concurrent use.
type Pace struct {
	burst float64
	every time.Duration

	mu    sync.Mutex
	turns float64 // below zero: that many wait for theirs
	at    time.Time
}

// New returns a Pace of burst turns at once, and one each interval.
func New(burst int, every time.Duration) *Pace {
	return &Pace{burst: float64(burst), every: every, turns: float64(burst), at: time.Now()}
}

// Take takes a turn if there is one now.
func (p *Pace) Take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refill()
	if p.turns < 1 {
		return false
	}
	p.turns--
	return true
}

// Wait waits for a turn, and reports whether there was one before ctx ended.
func (p *Pace) Wait(ctx context.Context) bool {
	p.mu.Lock()
	p.refill()
	p.turns--
	wait := time.Duration(-p.turns * float64(p.every))
	p.mu.Unlock()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	return Pause(ctx, wait) == nil
}

func (p *Pace) refill() {
	now := time.Now()
	p.turns = min(p.burst, p.turns+float64(now.Sub(p.at))/float64(p.every))
	p.at = now
}
