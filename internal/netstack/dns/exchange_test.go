package dns_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/dns"
)

// long is a TXT answer of some 6,000 bytes.
func long() []dnsmessage.Resource {
	var out []dnsmessage.Resource
	for i := range 30 {
		out = append(out, record("a.example.org.", 60, &dnsmessage.TXTResource{TXT: []string{fmt.Sprint(i, strings.Repeat("x", 190))}}))
	}
	return out
}

func TestAnswerAsksAgainByTCPWhatIsCutByUDP(t *testing.T) {
	u := &upstream{respond: func(network string, q dnsmessage.Message) [][]byte {
		m := response(q, long()...)
		if network == "udp" {
			m.Truncated, m.Answers = true, nil
		}
		return [][]byte{pack(m)}
	}}
	f := serve(t, strict, u)
	q := query("a.example.org.", dnsmessage.TypeTXT)
	if reply := f.send(t, q, dns.Stream); len(reply.Answers) != 30 || reply.Truncated {
		t.Errorf("by TCP: %d records, cut: %v", len(reply.Answers), reply.Truncated)
	}
	if _, by := u.asked(); !slices.Equal(by, []string{"udp 192.0.2.1:53", "tcp 192.0.2.1:53"}) {
		t.Errorf("the upstream was asked by %q", by)
	}
	if reply := f.send(t, q, dns.Datagram); len(reply.Answers) == 30 || !reply.Truncated {
		t.Errorf("by UDP: %d records, cut: %v", len(reply.Answers), reply.Truncated)
	}
}

func TestAnswerIsNoLongerThanTheGuestTakes(t *testing.T) {
	f := serve(t, strict, zone(long()[:5]...)) // some 1,000 bytes
	for _, c := range []struct {
		edns, limit int
		cut         bool
	}{{0, dns.Datagram, true}, {512, dns.Datagram, true}, {1232, dns.Datagram, false}, {1232, 600, true}, {65535, 512, false}, {0, dns.Stream, false}} {
		q := query("a.example.org.", dnsmessage.TypeTXT)
		if c.edns > 0 {
			q.Additionals = edns(t, c.edns, false)
		}
		reply := f.send(t, q, c.limit)
		if reply.Truncated != c.cut || (len(reply.Answers) < 5) != c.cut || len(reply.Additionals) != min(c.edns, 1) {
			t.Errorf("%+v: cut: %v, %d records, %d options", c, reply.Truncated, len(reply.Answers), len(reply.Additionals))
		}
	}
}

// A cut answer has what fits, whole records from the first on: not every C library
// asks again by TCP.
func TestACutAnswerHasWhatFits(t *testing.T) {
	addresses := func(owner string, n int) (out []dnsmessage.Resource) {
		for i := range n {
			out = append(out, record(owner, 60, &dnsmessage.AResource{A: [4]byte{93, 184, 1, byte(i)}}))
		}
		return out
	}
	target := "b.example.org."
	alias := record("a.example.org.", 60, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)})
	huge := record("a.example.org.", 60, &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 250), strings.Repeat("y", 250)}})
	for name, c := range map[string]struct {
		kind    dnsmessage.Type
		records []dnsmessage.Resource
		edns    int
		want    int
	}{
		"addresses":               {dnsmessage.TypeA, addresses("a.example.org.", 60), 0, 30},
		"addresses, EDNS":         {dnsmessage.TypeA, addresses("a.example.org.", 200), 1232, 74},
		"addresses behind a name": {dnsmessage.TypeA, append([]dnsmessage.Resource{alias}, addresses(target, 60)...), 0, 30},
		"texts":                   {dnsmessage.TypeTXT, long()[:5], 0, 2},
		"one that is too long":    {dnsmessage.TypeTXT, []dnsmessage.Resource{huge}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			q := query("a.example.org.", c.kind)
			if c.edns > 0 {
				q.Additionals = edns(t, c.edns, false)
			}
			reply := serve(t, strict, zone(c.records...)).send(t, q, dns.Datagram)
			if !reply.Truncated || reply.RCode != 0 || len(reply.Answers) != c.want {
				t.Fatalf("cut %v, %v, %d records", reply.Truncated, reply.RCode, len(reply.Answers))
			}
			for i, r := range reply.Answers {
				if r.Header.Type != c.records[i].Header.Type || r.Header.Name != c.records[i].Header.Name {
					t.Errorf("record %d is %v", i, r.Header)
				}
			}
		})
	}
}

func TestAnswerHasNoEDNSForWhoWantsSignatures(t *testing.T) {
	f := serve(t, strict, zone(long()[:5]...))
	for limit, cut := range map[int]bool{dns.Datagram: true, dns.Stream: false} {
		q := query("a.example.org.", dnsmessage.TypeTXT)
		q.Additionals = edns(t, 4096, true)
		if reply := f.send(t, q, limit); reply.RCode != 0 || reply.Truncated != cut || len(reply.Additionals) != 0 {
			t.Errorf("at most %d bytes: cut: %v, %+v", limit, reply.Truncated, reply.Additionals)
		}
	}
}

func edns(t *testing.T, size int, signatures bool) []dnsmessage.Resource {
	t.Helper()
	opt := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	if err := opt.Header.SetEDNS0(size, 0, signatures); err != nil {
		t.Fatal(err)
	}
	return []dnsmessage.Resource{opt}
}

func TestAnswerTakesNoPacketButTheResponse(t *testing.T) {
	evil := address("a.example.org.", 60, "203.0.113.66")
	u := &upstream{respond: func(_ string, q dnsmessage.Message) [][]byte {
		otherID, otherName, otherType, noResponse := response(q, evil), response(q, evil), response(q, evil), response(q, evil)
		otherID.ID++
		otherName.Questions = []dnsmessage.Question{{Name: name("b.example.org."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		otherType.Questions = []dnsmessage.Question{{Name: name("a.example.org."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}
		noResponse.Response = false
		return [][]byte{
			pack(otherID), pack(otherName), pack(otherType), pack(noResponse), []byte("noise"),
			pack(response(q, address("a.example.org.", 60, "203.0.113.5"))),
		}
	}}
	f := serve(t, strict, u)
	if got := records(f.ask(t, "a.example.org.", dnsmessage.TypeA)); got != "a.example.org. 203.0.113.5 60" {
		t.Errorf("the answer is %s", got)
	}
	wantNames(t, f, "203.0.113.66")
}

func TestAnswerGoesOnToTheNextUpstream(t *testing.T) {
	for what, code := range map[string]dnsmessage.RCode{"fails": dnsmessage.RCodeServerFailure, "refuses": dnsmessage.RCodeRefused} {
		calls := 0
		u := &upstream{respond: func(_ string, q dnsmessage.Message) [][]byte {
			m := response(q, address("a.example.org.", 60, "203.0.113.5"))
			if calls++; calls == 1 {
				m.Answers, m.RCode = nil, code
			}
			return [][]byte{pack(m)}
		}}
		reply := serve(t, strict, u).ask(t, "a.example.org.", dnsmessage.TypeA)
		if _, by := u.asked(); len(reply.Answers) != 1 || !slices.Equal(by, []string{"udp 192.0.2.1:53", "udp 192.0.2.2:53"}) {
			t.Errorf("the first upstream %s: %d records, asked by %q", what, len(reply.Answers), by)
		}
	}
}

func TestAnswerAsksAnOldUpstreamWithoutEDNS(t *testing.T) {
	u := &upstream{respond: func(_ string, q dnsmessage.Message) [][]byte {
		m := response(q, address("a.example.org.", 60, "203.0.113.5"))
		if len(q.Additionals) > 0 {
			m.Answers, m.RCode = nil, dnsmessage.RCodeFormatError
		}
		return [][]byte{pack(m)}
	}}
	if reply := serve(t, strict, u).ask(t, "a.example.org.", dnsmessage.TypeA); len(reply.Answers) != 1 {
		t.Errorf("the reply is %+v", reply)
	}
}

func TestAnswerFailsInTimeWhenUpstreamsAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{respond: func(string, dnsmessage.Message) [][]byte { return nil }}
		f := serve(t, strict, u)
		start := time.Now()
		var all sync.WaitGroup
		for range 300 { // more than may be in flight
			all.Go(func() {
				if reply := f.ask(t, "a.example.org.", dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeServerFailure {
					t.Errorf("the reply is %+v", reply)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		if u.peak != 64 || u.open != 0 {
			t.Errorf("%d queries in flight at once, %d left open", u.peak, u.open)
		}
	})
}

func TestAnswerFailsAtOnceWhenTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, strict, &upstream{respond: func(string, dnsmessage.Message) [][]byte { return nil }})
		var all sync.WaitGroup
		for range 2048 {
			all.Go(func() { f.ask(t, "a.example.org.", dnsmessage.TypeA) })
		}
		synctest.Wait()
		start := time.Now()
		if reply := f.ask(t, "a.example.org.", dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeServerFailure || time.Since(start) != 0 {
			t.Errorf("after %s: %+v", time.Since(start), reply)
		}
		all.Wait()
	})
}

func TestAnswerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, strict, &upstream{respond: func(string, dnsmessage.Message) [][]byte { return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Answer(ctx, pack(query("a.example.org.", dnsmessage.TypeA)), dns.Datagram)
		}()
		synctest.Wait()
		cancel()
		<-done
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %s after the context's end", took)
		}
	})
}

func TestAnswerFailsWithoutUpstream(t *testing.T) {
	for what, config := range map[string]dns.Config{
		"none": {Upstreams: func() []netip.AddrPort { return nil }},
		"no way": {
			Upstreams: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")} },
			Dial:      func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("unreachable") },
		},
	} {
		config.Policy = func() egress.Policy { p, _ := egress.Parse("all"); return p }
		f := fixture{Server: dns.New(config)}
		if reply := f.ask(t, "a.example.org.", dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeServerFailure {
			t.Errorf("%s: %+v", what, reply)
		}
	}
}
