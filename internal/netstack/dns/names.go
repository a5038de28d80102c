package dns

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxEntries are the pairs of address and name that are remembered for one VM.
	maxEntries = 64 << 10
	// maxNames are those of one address, so that no answer makes each decision
	// about it slow.
	maxNames = 64
	// grace is for a connection that begins when the guest's own time for the
	// answer, which it got a little later, ends.
	grace = time.Second
	// linger is how long an address stays a name's behind the last connection by it:
	// programs connect again without asking again.
	linger = 5 * time.Minute
	// lapsedFor is how long it is remembered that an answer had been.
	lapsedFor = time.Hour
)

// names remembers which addresses the guest learned by which names.
type names struct {
	now func() time.Time

	mu     sync.Mutex
	byAddr map[netip.Addr][]*list.Element // of *entry, the latest last
	order  *list.List                     // the latest last
}

type entry struct {
	addr  netip.Addr
	name  string
	until time.Time
	held  int // connections that are open by it
}

// Lapsed is a name whose answer, by which the guest knew an address, has expired.
type Lapsed struct {
	Name string
	Ago  time.Duration
}

func newNames(now func() time.Time) *names {
	return &names{now: now, byAddr: map[netip.Addr][]*list.Element{}, order: list.New()}
}

// add remembers an address for some time. An answer that lasts longer than a later
// one keeps its time.
func (n *names) add(addr netip.Addr, name string, ttl time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	until := now.Add(ttl + grace)
	fresh := &entry{addr: addr, name: name, until: until}
	if e := n.find(addr, name); e != nil {
		fresh = e.Value.(*entry) // who holds it holds it still
		if fresh.until.Before(until) {
			fresh.until = until
		}
		n.remove(e)
	}
	if of := n.byAddr[addr]; len(of) >= maxNames {
		n.remove(of[0])
	}
	n.byAddr[addr] = append(n.byAddr[addr], n.order.PushBack(fresh))
	n.trim(now)
}

// trim removes what is too much or too old, but not what is held.
func (n *names) trim(now time.Time) {
	for range n.order.Len() {
		front := n.order.Front()
		oldest := front.Value.(*entry)
		switch {
		case n.order.Len() <= maxEntries && oldest.until.Add(lapsedFor).After(now):
			return
		case oldest.held > 0:
			n.order.MoveToBack(front)
		default:
			n.remove(front)
		}
	}
}

func (n *names) find(addr netip.Addr, name string) *list.Element {
	of := n.byAddr[addr]
	i := slices.IndexFunc(of, func(e *list.Element) bool { return e.Value.(*entry).name == name })
	if i < 0 {
		return nil
	}
	return of[i]
}

// of are the names that an address has, the latest last.
func (n *names) of(addr netip.Addr) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	var out []string
	for _, e := range n.byAddr[addr] {
		if known := e.Value.(*entry); known.held > 0 || known.until.After(now) {
			out = append(out, known.name)
		}
	}
	return out
}

// lapsed are the names that an address had, the latest last.
func (n *names) lapsed(addr netip.Addr) []Lapsed {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	var out []Lapsed
	for _, e := range n.byAddr[addr] {
		if known := e.Value.(*entry); known.held == 0 && !known.until.After(now) {
			out = append(out, Lapsed{Name: known.name, Ago: now.Sub(known.until)})
		}
	}
	return out
}

// hold keeps an address a name's until release is called, and some time after.
func (n *names) hold(addr netip.Addr, name string) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.find(addr, name)
	if e == nil {
		return func() {}
	}
	held := e.Value.(*entry)
	held.held++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		held.held--
		if until := n.now().Add(linger); held.until.Before(until) {
			held.until = until
		}
	}
}

func (n *names) remove(e *list.Element) {
	addr := n.order.Remove(e).(*entry).addr
	rest := slices.DeleteFunc(n.byAddr[addr], func(other *list.Element) bool { return other == e })
	if len(rest) == 0 {
		delete(n.byAddr, addr)
		return
	}
	n.byAddr[addr] = rest
}
