package dns_test

import (
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/dns"
)

// FuzzAnswer: what the guest sends, and what comes back from the upstream: its
// header is made to fit, or else it would never be read.
func FuzzAnswer(f *testing.F) {
	q := query("a.example.org.", dnsmessage.TypeA)
	opt := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	opt.Header.Name, opt.Header.Type, opt.Header.Class = name("."), dnsmessage.TypeOPT, 1232
	q.Additionals = []dnsmessage.Resource{opt}
	https := query("a.example.org.", dnsmessage.TypeHTTPS)
	f.Add(pack(q), pack(response(q, cname("a.example.org.", 9, "b.example."), address("b.example.", 9, "203.0.113.5"))), 512)
	f.Add(pack(https), pack(response(https, record("a.example.org.", 9, &dnsmessage.HTTPSResource{SVCBResource: dnsmessage.SVCBResource{Priority: 1, Target: name(".")}}))), 65535)
	f.Add(pack(query("1.0.0.10.in-addr.arpa.", dnsmessage.TypePTR)), []byte{}, 4096)
	policy, err := egress.Parse("default deny; allow *.example.org; deny b.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet, back []byte, limit int) {
		u := &upstream{respond: func(_ string, query dnsmessage.Message) [][]byte {
			fitting := append([]byte(nil), back...)
			if len(fitting) >= 12 {
				fitting[0], fitting[1] = byte(query.ID>>8), byte(query.ID)
				fitting[2] |= 0x80
			}
			if len(fitting) > 65535 {
				fitting = fitting[:65535]
			}
			// Always followed by one that ends the wait.
			failure := response(query)
			failure.RCode = dnsmessage.RCodeServerFailure
			return [][]byte{fitting, pack(failure)}
		}}
		server := dns.New(dns.Config{
			Policy:    func() egress.Policy { return policy },
			Upstreams: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")} },
			Dial:      u.dial,
		})
		raw := server.Answer(t.Context(), packet, limit)
		if raw == nil {
			return
		}
		var reply dnsmessage.Message
		if err := reply.Unpack(raw); err != nil || !reply.Response || reply.ID != uint16(packet[0])<<8|uint16(packet[1]) {
			t.Fatalf("the reply %x to %x: %v", raw, packet, err)
		}
		if limit < 512 && len(raw) > dns.Datagram || limit >= 512 && len(raw) > limit {
			t.Fatalf("the reply has %d bytes", len(raw))
		}
		if asked, _ := u.asked(); len(asked) > 0 && !policy.Resolves(asked[0].Questions[0].Name.String()).Allow {
			t.Fatalf("the upstream was asked %+v", asked[0].Questions)
		}
	})
}
