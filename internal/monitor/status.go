package monitor

import (
	"reflect"
	"slices"
	"sync"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/plain"
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
	s.PortsChanged, s.EgressNews = b.status.PortsChanged, b.status.EgressNews
	if reflect.DeepEqual(s, b.status) {
		return
	}
	b.set(s)
}

// set is called with mu held.
func (b *board) set(s monitorrpc.Status) {
	b.status = s
	close(b.changed)
	b.changed = make(chan struct{})
}

// portsChanged tells that the guest's ports on the host may be others.
func (b *board) portsChanged() {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.PortsChanged++
	b.set(s)
}

// egress tells of a record if it is news.
func (b *board) egress(r monitorrpc.Record) {
	switch r.Event {
	case "deny", "dns":
	case monitorrpc.EventAsk:
		if r.Sent > 0 || r.Received > 0 { // how much was said since, not the first use
			return
		}
	default:
		return
	}
	r = plainRecord(r)
	r.Said, r.Rule, r.Asked = plain.Line(r.Said, maxName), plain.Line(r.Rule, maxName), ""
	b.mu.Lock()
	defer b.mu.Unlock()
	s, n := b.status, int64(1)
	if have := len(s.EgressNews); have > 0 {
		n = s.EgressNews[have-1].N + 1
	}
	first := max(0, len(s.EgressNews)-monitorrpc.MaxEgressNews+1)
	s.EgressNews = append(slices.Clone(s.EgressNews[first:]), monitorrpc.EgressNews{N: n, Record: r})
	b.set(s)
}

// now returns the present status, and a channel that is closed at the next.
func (b *board) now() (monitorrpc.Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}
