package netstack

import (
	"context"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// ask takes a place among those that ask the guest, which gives it back with its
// task. There is none when they are too many, or the recorder is closed.
func (r *recorder) ask() bool {
	if r.config.Owner == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.asks.any(r.config.Now()) {
		return false
	}
	select {
	case r.asking <- struct{}{}:
	default:
		return false
	}
	r.asks.left--
	r.tasks.Add(1)
	return true
}

// withOwner writes a record with the process that has the flow's port, off the
// path of the flow's data. Then it calls done with it.
func (r *recorder) withOwner(f *flow, record monitorrpc.Record, done func(owner string)) {
	if f.protocol == protocolICMP || !r.ask() {
		r.write(record)
		done("")
		return
	}
	go func() {
		defer r.tasks.Done()
		defer func() { <-r.asking }()
		ctx, cancel := context.WithTimeout(r.ctx, askTime)
		defer cancel()
		record.Process = r.config.Owner(ctx, record.Protocol, f.guestPort)
		r.write(record)
		done(record.Process)
	}()
}
