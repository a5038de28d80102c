package netstack

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bangervm/banger/internal/monitorrpc"
)

const (
	// maxMovers bounds the destinations of flows without records that are summed up,
	// of which the maxTop that took the most bytes are told, once in restWindow.
	maxMovers = 256
	maxTop    = 10
)

// untold counts what has no record. It is used under its owner's lock.
type untold struct {
	denials        int
	asked          int // domains
	begun, ended   int // flows
	sent, received int64
	open           map[*flow]moved // and what of them is summed up already
	movers         map[mover]moved
}

// mover is where the bytes of flows without records went, and moved how many. What
// is dear is to hide that much went out, so ports and what is small do not count.
type mover struct{ protocol, name, said, address string }

type moved struct {
	flows          int
	sent, received int64
}

func (m moved) bytes() int64 { return m.sent + m.received }

func newUntold() untold {
	return untold{open: map[*flow]moved{}, movers: map[mover]moved{}}
}

// nothing says that there is nothing to tell, nor will be.
func (u *untold) nothing() bool {
	return u.denials == 0 && u.asked == 0 && u.begun == 0 && u.ended == 0 && len(u.open) == 0 && len(u.movers) == 0
}

// begin notes a flow that has no record of its beginning.
func (u *untold) begin(f *flow) {
	u.begun++
	u.open[f] = moved{}
}

// end forgets it, and sums up what it moved, if it has no record of its end either.
func (u *untold) end(f *flow, told bool) {
	if told {
		delete(u.open, f)
		return
	}
	u.sum(f)
	u.ended++
	u.sent += f.sent.Load()
	u.received += f.received.Load()
	delete(u.open, f)
}

// sum adds to its destination what a flow has moved since it was summed up last.
func (u *untold) sum(f *flow) {
	before, first := u.open[f], 1
	now := moved{flows: 1, sent: f.sent.Load(), received: f.received.Load()}
	if before.flows > 0 {
		first = 0
	}
	delta := moved{flows: first, sent: now.sent - before.sent, received: now.received - before.received}
	if delta.bytes() == 0 {
		return
	}
	u.open[f] = now
	r := f.record("", f.verdict)
	where := mover{r.Protocol, r.Name, r.Said, r.Address}
	have, known := u.movers[where]
	if !known && len(u.movers) >= maxMovers && !u.giveWay(delta) {
		return
	}
	u.movers[where] = moved{have.flows + delta.flows, have.sent + delta.sent, have.received + delta.received}
}

// giveWay makes room for a destination to which more went than to the least one.
func (u *untold) giveWay(to moved) bool {
	var least mover
	fewest := int64(-1)
	for where, m := range u.movers {
		if fewest < 0 || m.bytes() < fewest {
			least, fewest = where, m.bytes()
		}
	}
	if fewest >= to.bytes() {
		return false
	}
	delete(u.movers, least)
	return true
}

// tell gives the records of all this, and starts again.
func (u *untold) tell() (out []monitorrpc.Record) {
	for f := range u.open {
		u.sum(f)
	}
	out = u.top()
	more := func(event string, n int) {
		if n > 0 {
			out = append(out, monitorrpc.Record{Event: event, Reason: fmt.Sprintf("%d more, not listed one by one", n)})
		}
	}
	more("deny", u.denials)
	more(monitorrpc.EventAsk, u.asked)
	more("allow", u.begun)
	more("close", u.ended)
	if u.ended > 0 {
		out[len(out)-1].Sent, out[len(out)-1].Received = u.sent, u.received
	}
	open := u.open
	*u = newUntold()
	u.open = open
	return out
}

// top are the destinations that took the most.
func (u *untold) top() (out []monitorrpc.Record) {
	var all []mover
	for where := range u.movers {
		all = append(all, where)
	}
	slices.SortFunc(all, func(a, b mover) int {
		return cmp.Or(cmp.Compare(u.movers[b].bytes(), u.movers[a].bytes()), cmp.Compare(a.address, b.address), cmp.Compare(a.name, b.name))
	})
	for _, where := range all[:min(len(all), maxTop)] {
		m := u.movers[where]
		flows := "more bytes of flows without records"
		if m.flows > 0 {
			flows = fmt.Sprintf("of %d flows without records", m.flows)
		}
		out = append(out, monitorrpc.Record{
			Event: monitorrpc.EventTotal, Protocol: where.protocol, Name: where.name, Said: where.said, Address: where.address,
			Sent: m.sent, Received: m.received, Reason: flows,
		})
	}
	return out
}
