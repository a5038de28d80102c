package dns

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
)

// local answers what no upstream is asked: names that Config.Local knows, other
// names under .vm, localhost (RFC 6761), and the reverse names of addresses that
// are not public (RFC 6303), which would tell the guest of the host's network.
func (s *Server) local(q *query) (answer, bool) {
	if addrs, known := s.config.Local(q.name); known {
		out := addressRecords(q, addrs)
		s.learn(q, out.records)
		return out, true
	}
	switch top := q.name[strings.LastIndexByte(q.name, '.')+1:]; top {
	case "localhost":
		return addressRecords(q, []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}), true
	case "vm":
		return answer{code: dnsmessage.RCodeNameError}, true
	case "arpa":
		if addr, ok := reverse(q.name); ok && !public(addr) {
			return answer{code: dnsmessage.RCodeNameError}, true
		}
	}
	return answer{}, false
}

// ofTheLocalNetwork says whether a name is one that only the host's own network
// answers: single labels, which its resolver completes or asks the network for, and
// the domains that are kept for private networks (RFC 6762 with its appendix G, RFC
// 8375, and ICANN's .internal).
func ofTheLocalNetwork(name string) bool {
	name, ok := egress.CanonicalName(name)
	top := name[strings.LastIndexByte(name, '.')+1:]
	switch top {
	case name, "local", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "workgroup":
		return ok
	default:
		return ok && (name == "home.arpa" || strings.HasSuffix(name, ".home.arpa"))
	}
}

// addressRecords are those of the addresses that the query is for: none, for other
// types.
func addressRecords(q *query, addrs []netip.Addr) answer {
	var out answer
	for _, addr := range addrs {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{
			Name: q.question.Name, Type: q.question.Type, Class: dnsmessage.ClassINET, TTL: localTTL,
		}}
		switch {
		case q.question.Type == dnsmessage.TypeA && addr.Is4():
			r.Body = &dnsmessage.AResource{A: addr.As4()}
		case q.question.Type == dnsmessage.TypeAAAA && addr.Is6():
			r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			continue
		}
		out.records = append(out.records, r)
	}
	return out
}

func public(addr netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	virtual := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15)
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !shared.Contains(addr) && !virtual.Contains(addr)
}

// reverse is the address of a reverse name; of a shorter one, the first address
// below it.
func reverse(name string) (netip.Addr, bool) {
	if labels, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		var addr [4]byte
		ok := digits(labels, addr[:], 10)
		return netip.AddrFrom4(addr), ok
	}
	if labels, ok := strings.CutSuffix(name, ".ip6.arpa"); ok {
		var halves [32]byte
		ok := digits(labels, halves[:], 16)
		var addr [16]byte
		for i := range addr {
			addr[i] = halves[2*i]<<4 | halves[2*i+1]&15
		}
		return netip.AddrFrom16(addr), ok
	}
	return netip.Addr{}, false
}

// digits reads labels, the last one first.
func digits(text string, into []byte, radix int) bool {
	labels := strings.Split(text, ".")
	if len(labels) > len(into) {
		return false
	}
	slices.Reverse(labels)
	for i, label := range labels {
		digit, err := strconv.ParseUint(label, radix, 8)
		if err != nil || radix == 16 && digit > 15 {
			return false
		}
		into[i] = byte(digit)
	}
	return true
}
