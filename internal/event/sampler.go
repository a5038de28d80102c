package event

import (
	"context"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// Sampler measures while somebody watches, and only then. Its rounds are not kept: a
// watcher sees the latest.
type Sampler struct {
	take  func(ctx context.Context) []Event
	pause func(round []Event) time.Duration

	mu       sync.Mutex
	watchers int
	end      context.CancelFunc // of the measuring, while there are watchers
	latest   []Event
	changed  chan struct{}
	work     sync.WaitGroup
}

// NewSampler returns a Sampler that takes a round at once, and the next after the pause that
// follows that round. take ends with its context, or soon after.
func NewSampler(take func(ctx context.Context) []Event, pause func(round []Event) time.Duration) *Sampler {
	return &Sampler{take: take, pause: pause, changed: make(chan struct{})}
}

// Watch begins to watch, until stop is called.
func (s *Sampler) Watch() (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers++; s.watchers == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		s.end, s.latest = cancel, nil
		s.work.Go(func() { s.measure(ctx) })
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.watchers--; s.watchers == 0 {
			s.end()
		}
	})
}

func (s *Sampler) measure(ctx context.Context) {
	for ctx.Err() == nil {
		round := s.take(ctx)
		s.mu.Lock()
		if ctx.Err() == nil { // else it is of watchers that have left
			s.latest = round
			close(s.changed)
			s.changed = make(chan struct{})
		}
		s.mu.Unlock()
		_ = pace.Pause(ctx, s.pause(round)) // the loop sees ctx's end
	}
}

// Latest returns the latest round, and a channel that is closed at the next.
func (s *Sampler) Latest() ([]Event, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest, s.changed
}

// Wait returns when nothing is measured any more. Every watch was stopped before.
func (s *Sampler) Wait() { s.work.Wait() }
