package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// An address stays a name's while somebody holds it, and some minutes after; for an
// hour it is known that it was.
func TestHold(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	n := newNames(func() time.Time { return now })
	addr := netip.MustParseAddr("203.0.113.5")
	n.add(addr, "a.example", 30*time.Second)
	release := n.hold(addr, "a.example")
	now = now.Add(2 * lapsedFor)
	n.add(netip.MustParseAddr("203.0.113.6"), "b.example", time.Second) // has the old removed
	n.add(addr, "a.example", time.Second)                               // by whom it is held stays
	if got := n.of(addr); !slices.Equal(got, []string{"a.example"}) {
		t.Errorf("held: %v", got)
	}
	release()
	now = now.Add(linger - time.Second)
	if got := n.of(addr); len(got) != 1 || len(n.lapsed(addr)) != 0 {
		t.Errorf("just released: %v", got)
	}
	now = now.Add(8 * time.Second)
	if got := n.lapsed(addr); len(n.of(addr)) != 0 || !slices.Equal(got, []Lapsed{{"a.example", 7 * time.Second}}) {
		t.Errorf("over: %v, %v", n.of(addr), got)
	}
	n.hold(addr, "nobody.example")()
}

// What is held does not make the memory unbounded, nor is it what gives way.
func TestHeldNamesAreKept(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	n := newNames(func() time.Time { return now })
	first := netip.MustParseAddr("203.0.113.5")
	n.add(first, "a.example", time.Minute)
	defer n.hold(first, "a.example")()
	for i := range maxEntries + 100 {
		n.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprintf("%d.example", i), time.Hour)
	}
	if n.order.Len() > maxEntries || len(n.of(first)) != 1 {
		t.Errorf("%d entries, the held one is %v", n.order.Len(), n.of(first))
	}
}
