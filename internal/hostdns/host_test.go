package hostdns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTheHostsResolverIsAskedNowAndThen(t *testing.T) {
	own := netip.MustParseAddr("127.200.1.2")
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	asked, found := 0, []netip.Addr{own}
	var fails error
	local := true
	h := &Host{
		now: func() time.Time { return now }, local: func() bool { return local },
		lookup: func(ctx context.Context, name string) ([]netip.Addr, error) {
			asked++
			if _, bounded := ctx.Deadline(); !bounded || name != "web.vm." {
				t.Errorf("asked for %q, with an end: %v", name, bounded)
			}
			return found, fails
		},
	}
	expect := func(want bool, times int) {
		t.Helper()
		if got := h.Resolves(t.Context(), "web.vm", own); got != want || asked != times {
			t.Errorf("Resolves = %v after %d questions; want %v after %d", got, asked, want, times)
		}
	}
	expect(true, 1)
	found = nil
	now = now.Add(keepFor - 1)
	expect(true, 1)
	now = now.Add(1)
	expect(false, 2)
	found = []netip.Addr{netip.MustParseAddr("203.0.113.1")} // somebody else's .vm
	now = now.Add(keepFor)
	expect(false, 3)
	found, fails = []netip.Addr{own}, errors.New("no such host")
	now = now.Add(keepFor)
	expect(false, 4)
	fails, local = nil, false
	now = now.Add(keepFor)
	expect(false, 4) // nobody elsewhere is asked
}

func TestResolversOnThisHost(t *testing.T) {
	mine := []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 7), Mask: net.CIDRMask(24, 32)}}
	for text, want := range map[string]bool{
		"nameserver 127.0.0.53\noptions edns0\n":         true,
		"nameserver ::1\n":                               true,
		"# nothing\nnameserver 192.0.2.7":                true,
		"nameserver 192.0.2.8\n":                         false,
		"nameserver 127.0.0.1\nnameserver 203.0.113.1\n": false,
		"nameserver\nsearch example.org\n":               false,
		"nameserver localhost\n":                         false,
		"":                                               false,
		strings.Repeat("x", 1<<20):                       false,
	} {
		if got := allLocal(strings.NewReader(text), mine); got != want {
			t.Errorf("%.60q: %v", text, got)
		}
	}
}
