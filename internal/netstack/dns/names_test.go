package dns_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/netstack/dns"
)

func TestNamesEndWithTheAnswersTime(t *testing.T) {
	for _, c := range []struct {
		ttl, told uint32
		lasts     time.Duration
	}{
		{60, 60, 60 * time.Second},
		{0, 0, 5 * time.Second},
		{100_000, 3600, time.Hour},
	} {
		f := serve(t, strict, zone(address("a.example.org.", c.ttl, "203.0.113.5")))
		if reply := f.ask(t, "a.example.org.", dnsmessage.TypeA); reply.Answers[0].Header.TTL != c.told {
			t.Errorf("TTL %d: the guest is told %d", c.ttl, reply.Answers[0].Header.TTL)
		}
		f.clock.pass(c.lasts)
		wantNames(t, f, "203.0.113.5", "a.example.org")
		f.clock.pass(time.Second)
		wantNames(t, f, "203.0.113.5")
	}
}

func TestNamesOfOneAddressAreBounded(t *testing.T) {
	u := &upstream{respond: func(_ string, q dnsmessage.Message) [][]byte {
		return [][]byte{pack(response(q, address(q.Questions[0].Name.String(), 60, "203.0.113.5")))}
	}}
	f := serve(t, strict, u)
	for i := range 100 {
		f.ask(t, fmt.Sprintf("h%d.example.org.", i), dnsmessage.TypeA)
	}
	got := f.Names(netip.MustParseAddr("203.0.113.5"))
	if len(got) != 64 || got[63] != "h99.example.org" || got[0] != "h36.example.org" {
		t.Errorf("%d names, from %s to %s", len(got), got[0], got[len(got)-1])
	}
}

func TestNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a busy machine is no slow upstream
		const each = 1000
		addr := func(i, j int) string { return fmt.Sprintf("2001:db8::%x:%x", i, j) }
		answers := -1
		u := &upstream{respond: func(network string, q dnsmessage.Message) [][]byte {
			m := response(q)
			if m.Truncated = network == "udp"; !m.Truncated {
				answers++
				for j := range each {
					m.Answers = append(m.Answers, address("a.example.org.", 3600, addr(answers, j)))
				}
			}
			return [][]byte{pack(m)}
		}}
		f := serve(t, strict, u)
		for range 66 { // 464 more than 64 Ki
			f.send(t, query("a.example.org.", dnsmessage.TypeAAAA), dns.Stream)
		}
		wantNames(t, f, addr(0, 463))
		wantNames(t, f, addr(0, 464), "a.example.org")
		wantNames(t, f, addr(65, 999), "a.example.org")
	})
}
