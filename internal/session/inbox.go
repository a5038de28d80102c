package session

import (
	"context"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

const (
	// eventBurst and eventPause bound what of one guest's events is read; the rest
	// waits in the guest.
	eventBurst = 64
	eventPause = 50 * time.Millisecond
	// countPause is how long what changes no session's state waits for more of its
	// kind: each write of a record is made durable, and others wait for that.
	countPause = 3 * time.Second
	// maxReports bounds how many reports wait.
	maxReports = 1 << 10
)

// inbox takes events and hands them on together, of each session the last: at
// once where it is the first or a session may have ended, else after a while.
type inbox struct {
	hear func(Event) error
	// hold is how long what changes no session's state waits for more of its kind, and
	// rest the least time between two calls of hear.
	hold, rest time.Duration

	mu      sync.Mutex
	waiting map[string]Report
	whole   bool // waiting are all sessions of the agent
	begun   bool
	err     error

	urgent chan struct{}
	soon   chan struct{}
	end    context.CancelFunc
	work   sync.WaitGroup
}

// inbox hands events to hear until close.
func (s *Service) inbox(ctx context.Context, hold, rest time.Duration, hear func(Event) error) *inbox {
	ctx, end := context.WithCancel(ctx)
	in := &inbox{
		hear: hear, hold: hold, rest: rest, waiting: map[string]Report{}, end: end,
		urgent: make(chan struct{}, 1), soon: make(chan struct{}, 1),
	}
	in.work.Go(func() { in.run(ctx) })
	return in
}

// put takes one event. Its error is that of the hearing of an earlier one.
func (in *inbox) put(ev Event) error {
	in.mu.Lock()
	urgent := ev.Snapshot && !in.begun
	in.begun = true
	if ev.Snapshot {
		clear(in.waiting)
		in.whole = true
	}
	for _, r := range ev.Reports {
		if _, there := in.waiting[r.ID]; !there && len(in.waiting) >= maxReports {
			continue // more than a guest has; the next snapshot tells
		}
		in.waiting[r.ID] = r
		urgent = urgent || r.Exited
	}
	err := in.err
	in.mu.Unlock()
	wake := in.soon
	if urgent {
		wake = in.urgent
	}
	select {
	case wake <- struct{}{}:
	default:
	}
	return err
}

func (in *inbox) run(ctx context.Context) {
	for {
		select {
		case <-in.urgent:
		case <-in.soon:
			timer := time.NewTimer(in.hold)
			select {
			case <-timer.C:
			case <-in.urgent:
			case <-ctx.Done():
			}
			timer.Stop()
		case <-ctx.Done():
			return
		}
		in.flush()
		_ = pace.Pause(ctx, in.rest) // the loop sees ctx's end
	}
}

func (in *inbox) flush() {
	in.mu.Lock()
	ev := Event{Snapshot: in.whole, Reports: make([]Report, 0, len(in.waiting))}
	for _, r := range in.waiting {
		ev.Reports = append(ev.Reports, r)
	}
	clear(in.waiting)
	in.whole = false
	in.mu.Unlock()
	if !ev.Snapshot && len(ev.Reports) == 0 {
		return
	}
	if err := in.hear(ev); err != nil {
		in.mu.Lock()
		in.err = err
		in.mu.Unlock()
	}
}

// close hands on what waits, and returns the last error of hearing.
func (in *inbox) close() error {
	in.end()
	in.work.Wait()
	in.flush()
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}
