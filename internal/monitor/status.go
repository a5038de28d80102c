package monitor

import (
	"reflect"
	"sync"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// board shows the newest status to any number of watchers, none of which can
// hold it up: a slow one misses what came between, never the last.
type board struct {
	mu      sync.Mutex
	status  monitorrpc.Status
	changed chan struct{} // closed at the next change
}

func newBoard(first monitorrpc.Status) *board {
	return &board{status: first, changed: make(chan struct{})}
}

// show makes s the present status.
func (b *board) show(s monitorrpc.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reflect.DeepEqual(s, b.status) {
		return
	}
	b.status = s
	close(b.changed)
	b.changed = make(chan struct{})
}

// now returns the present status, and a channel that is closed at the next.
func (b *board) now() (monitorrpc.Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}
