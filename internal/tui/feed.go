package tui

import (
	"context"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
)

// maxPending bounds the events that wait while a program has the terminal. With more,
// the stream is left unread: the daemon cuts it, and the present state follows.
const maxPending = 4096

// eventsMsg are events in their order.
type eventsMsg []api.Event

// lostMsg says that the connection to the daemon was lost, or could not be made.
type lostMsg struct {
	err  error
	over bool // it is not tried again
}

// mailbox holds events until they are taken, all at once.
type mailbox struct {
	mu      sync.Mutex
	waiting []tea.Msg
	events  eventsMsg
	filled  chan struct{} // of one
	emptied chan struct{} // of one
}

func newMailbox() *mailbox {
	return &mailbox{filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put waits while the mailbox is full.
func (b *mailbox) put(ctx context.Context, ev api.Event) {
	for {
		b.mu.Lock()
		if len(b.events) < maxPending {
			b.events = append(b.events, ev)
			b.mu.Unlock()
			signal(b.filled)
			return
		}
		b.mu.Unlock()
		select {
		case <-b.emptied:
		case <-ctx.Done():
			return
		}
	}
}

// say puts a message behind the events before it.
func (b *mailbox) say(msg tea.Msg) {
	b.mu.Lock()
	if len(b.events) > 0 {
		b.waiting = append(b.waiting, b.events)
		b.events = nil
	}
	// Of a connection that comes and goes, the latest is enough.
	if n := len(b.waiting); n > 0 {
		if _, same := b.waiting[n-1].(lostMsg); same {
			b.waiting = b.waiting[:n-1]
		}
	}
	b.waiting = append(b.waiting, msg)
	b.mu.Unlock()
	signal(b.filled)
}

// take waits for what there is; nil when ctx ended.
func (b *mailbox) take(ctx context.Context) []tea.Msg {
	for {
		b.mu.Lock()
		all := b.waiting
		if len(b.events) > 0 {
			all = append(all, b.events)
		}
		b.waiting, b.events = nil, nil
		b.mu.Unlock()
		if len(all) > 0 {
			signal(b.emptied)
			return all
		}
		select {
		case <-b.filled:
		case <-ctx.Done():
			return nil
		}
	}
}

// feed reads the daemon's events into the mailbox until ctx ends.
func feed(ctx context.Context, o Options, b *mailbox) {
	// The one call that starts a daemon where none runs, but for what the user does.
	if _, err := o.API.Ping(ctx); err != nil {
		b.say(lostMsg{err: err, over: true})
		return
	}
	for ev, err := range o.Events(ctx, func(err error) { b.say(lostMsg{err: err}) }) {
		if err != nil {
			if ctx.Err() == nil {
				b.say(lostMsg{err: err, over: true})
			}
			return
		}
		b.put(ctx, ev)
	}
}
