//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// zone is what the upstream name server of the isolated internet knows.
func zone() map[string][]string {
	big := make([]string, 60)
	for i := range big {
		big[i] = fmt.Sprintf("A 203.0.113.%d", 100+i)
	}
	return map[string][]string{
		"allowed.test.":     {"A " + addrAllowed, "AAAA " + addrV6},
		"www.allowed.test.": {"CNAME middle.cdn.test."},
		"middle.cdn.test.":  {"CNAME edge.cdn.test."},
		"edge.cdn.test.":    {"A " + addrAllowed},
		"short.test.":       {"A " + addrShort},
		"other.test.":       {"A " + addrOther},
		"private.test.":     {"A " + addrPrivate},
		"meta.test.":        {"A " + addrMetadata},
		"rebind.test.":      {"A 127.0.0.1"},
		"big.test.":         big,
		"v4only.test.":      {"A " + addrAllowed},
	}
}

// dns serves a name server. Without records it answers any name with addrOther.
func (n *internet) dns(addr, label string, records map[string][]string) {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		question := query.Question[0]
		n.hit("dns %s %s %s", label, question.Name, dns.TypeToString[question.Qtype])
		answer := new(dns.Msg).SetReply(query)
		if records == nil {
			answer.Answer = append(answer.Answer, record(question.Name, "A "+addrOther))
		} else {
			resolve(answer, records, question)
		}
		if w.LocalAddr().Network() == "udp" {
			size := dns.MinMsgSize
			if opt := query.IsEdns0(); opt != nil {
				size = int(opt.UDPSize())
			}
			answer.Truncate(size)
		}
		_ = w.WriteMsg(answer)
	})
	packets, err := net.ListenPacket("udp", addr) //nolint:noctx // there is nothing to cancel
	n.check(err)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: n.listen(addr), Handler: handler}} {
		n.test.Cleanup(func() { _ = server.Shutdown() })
		go func() { _ = server.ActivateAndServe() }()
	}
}

func resolve(answer *dns.Msg, records map[string][]string, q dns.Question) {
	name := strings.ToLower(q.Name)
	if records[name] == nil {
		answer.Rcode = dns.RcodeNameError
		return
	}
	for range 8 {
		next := ""
		for _, text := range records[name] {
			kind, value, _ := strings.Cut(text, " ")
			if kind == dns.TypeToString[q.Qtype] || kind == "CNAME" {
				answer.Answer = append(answer.Answer, record(name, text))
			}
			if kind == "CNAME" {
				next = value
			}
		}
		if next == "" {
			return
		}
		name = next
	}
}

func record(name, text string) dns.RR {
	ttl := 300
	if name == "short.test." {
		ttl = 1
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s", name, ttl, text))
	if err != nil {
		panic(err) // a mistake in the zone
	}
	return rr
}
