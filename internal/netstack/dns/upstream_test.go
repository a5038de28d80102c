package dns_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/dns"
)

// upstream is a resolver that a test writes: respond gives the packets that come
// back for a query.
type upstream struct {
	respond func(network string, query dnsmessage.Message) [][]byte

	mu      sync.Mutex
	queries []dnsmessage.Message
	by      []string // network and address of each query
	open    int      // connections now
	peak    int      // connections at once, at most
}

// counted is a connection that upstream counts until it is closed.
type counted struct {
	net.Conn
	close func()
}

func (c counted) Close() error {
	c.close()
	return c.Conn.Close()
}

func (u *upstream) count(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open += n
	u.peak = max(u.peak, u.open)
}

// dial is Config.Dial. Each write to the pipe is a datagram, or a framed message.
func (u *upstream) dial(_ context.Context, network, address string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	u.count(1)
	go func() {
		defer func() { _ = ours.Close() }()
		buffer := make([]byte, 65537)
		n, err := ours.Read(buffer)
		if err != nil {
			return
		}
		for _, packet := range u.take(network, address, buffer[:n]) {
			if _, err := ours.Write(packet); err != nil {
				return
			}
		}
		if network == "udp" { // silent until the other side gives up
			_, _ = io.Copy(io.Discard, ours)
		}
	}()
	return counted{theirs, sync.OnceFunc(func() { u.count(-1) })}, nil
}

func (u *upstream) take(network, address string, packet []byte) [][]byte {
	if network == "tcp" {
		packet = packet[2:]
	}
	var query dnsmessage.Message
	if err := query.Unpack(packet); err != nil {
		return nil
	}
	u.mu.Lock()
	u.queries = append(u.queries, query)
	u.by = append(u.by, network+" "+address)
	u.mu.Unlock()
	packets := u.respond(network, query)
	if network == "tcp" {
		for i, p := range packets {
			packets[i] = append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)
		}
	}
	return packets
}

// asked are the upstream's queries so far, and how they came.
func (u *upstream) asked() ([]dnsmessage.Message, []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.queries, u.by
}

// zone is an upstream that answers every query with the same records.
func zone(records ...dnsmessage.Resource) *upstream {
	return &upstream{respond: func(_ string, query dnsmessage.Message) [][]byte {
		return [][]byte{pack(response(query, records...))}
	}}
}

func response(query dnsmessage.Message, records ...dnsmessage.Resource) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions, Answers: records,
	}
}

func pack(m dnsmessage.Message) []byte {
	out, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

func name(text string) dnsmessage.Name { return dnsmessage.MustNewName(text) }

func record(owner string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: name(owner), Class: dnsmessage.ClassINET, TTL: ttl}
	switch body.(type) {
	case *dnsmessage.AResource:
		h.Type = dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		h.Type = dnsmessage.TypeAAAA
	case *dnsmessage.CNAMEResource:
		h.Type = dnsmessage.TypeCNAME
	case *dnsmessage.MXResource:
		h.Type = dnsmessage.TypeMX
	case *dnsmessage.TXTResource:
		h.Type = dnsmessage.TypeTXT
	case *dnsmessage.SOAResource:
		h.Type = dnsmessage.TypeSOA
	case *dnsmessage.HTTPSResource:
		h.Type = dnsmessage.TypeHTTPS
	}
	return dnsmessage.Resource{Header: h, Body: body}
}

func address(owner string, ttl uint32, addr string) dnsmessage.Resource {
	a := netip.MustParseAddr(addr)
	if a.Is4() {
		return record(owner, ttl, &dnsmessage.AResource{A: a.As4()})
	}
	return record(owner, ttl, &dnsmessage.AAAAResource{AAAA: a.As16()})
}

func cname(owner string, ttl uint32, target string) dnsmessage.Resource {
	return record(owner, ttl, &dnsmessage.CNAMEResource{CNAME: name(target)})
}

// clock is a time that only a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// fixture is a server with its world.
type fixture struct {
	*dns.Server
	clock  *clock
	denied []string
}

func serve(t *testing.T, policy string, u *upstream) *fixture {
	t.Helper()
	p, err := egress.Parse(policy)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{clock: &clock{at: time.Unix(1_800_000_000, 0)}}
	f.Server = dns.New(dns.Config{
		Policy: func() egress.Policy { return p },
		Upstreams: func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}
		},
		Local: func(name string) ([]netip.Addr, bool) {
			return []netip.Addr{netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("fd62:616e:6765:7200::2")}, name == "host.vm"
		},
		Dial:   u.dial,
		Denied: func(name string, v egress.Verdict) { f.denied = append(f.denied, name+": "+v.Rule) },
		Now:    f.clock.now,
	})
	return f
}

// ask is a guest's question by UDP without EDNS, and the reply to it.
func (f *fixture) ask(t *testing.T, question string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	return f.send(t, query(question, kind), dns.Datagram)
}

func query(question string, kind dnsmessage.Type) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 0x1234, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name(question), Type: kind, Class: dnsmessage.ClassINET}},
	}
}

func (f *fixture) send(t *testing.T, q dnsmessage.Message, limit int) dnsmessage.Message {
	t.Helper()
	raw := f.Answer(t.Context(), pack(q), limit)
	var reply dnsmessage.Message
	if err := reply.Unpack(raw); err != nil {
		t.Fatalf("the reply %x: %v", raw, err)
	}
	if !reply.Response || reply.ID != q.ID {
		t.Fatalf("the reply's header is %+v", reply.Header)
	}
	return reply
}
