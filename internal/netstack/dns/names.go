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
	fresh := &entry{addr: addr, name: name, until: now.Add(ttl + grace)}
	for _, e := range n.byAddr[addr] {
		if old := e.Value.(*entry); old.name == name {
			if old.until.After(fresh.until) {
				fresh.until = old.until
			}
			n.remove(e)
			break
		}
	}
	if of := n.byAddr[addr]; len(of) >= maxNames {
		n.remove(of[0])
	}
	n.byAddr[addr] = append(n.byAddr[addr], n.order.PushBack(fresh))
	for front := n.order.Front(); n.order.Len() > maxEntries || !front.Value.(*entry).until.After(now); front = n.order.Front() {
		n.remove(front)
	}
}

func (n *names) of(addr netip.Addr) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	var out []string
	for _, e := range slices.Clone(n.byAddr[addr]) {
		if known := e.Value.(*entry); known.until.After(now) {
			out = append(out, known.name)
		} else {
			n.remove(e)
		}
	}
	return out
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
