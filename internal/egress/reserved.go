package egress

import "net/netip"

// reservedRange is addresses that only a rule that names them opens.
type reservedRange struct {
	prefix netip.Prefix
	what   string
}

// reservedRanges are what is not the public internet (from IANA's registries of
// special-purpose addresses), and the one metadata service that lives in it. Not
// here are the ranges for documentation, which lead nowhere.
func reservedRanges() [28]reservedRange {
	const v6 = 16
	in4 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
	}
	in6 := func(bits int, head ...byte) netip.Prefix {
		var addr [v6]byte
		copy(addr[:], head)
		return netip.PrefixFrom(netip.AddrFrom16(addr), bits)
	}
	return [...]reservedRange{
		{in4(0, 0, 0, 0, 8), "this network"},
		{in4(10, 0, 0, 0, 8), "private network"},
		{in4(100, 64, 0, 0, 10), "carrier's private network"}, // has Alibaba's metadata
		{in4(127, 0, 0, 0, 8), "loopback"},
		{in4(168, 63, 129, 16, 32), "cloud metadata"}, // Azure's
		{in4(169, 254, 0, 0, 16), "link-local and cloud metadata"},
		{in4(172, 16, 0, 0, 12), "private network"},
		{in4(192, 0, 0, 0, 24), "protocol assignments and cloud metadata"}, // Oracle's
		{in4(192, 88, 99, 0, 24), "6to4 relay"},
		{in4(192, 168, 0, 0, 16), "private network"},
		{in4(198, 18, 0, 0, 15), "banger's virtual network"},
		{in4(224, 0, 0, 0, 4), "multicast"},
		{in4(240, 0, 0, 0, 4), "reserved and broadcast"},
		{in6(128), "this network"},
		{netip.PrefixFrom(netip.IPv6Loopback(), 128), "loopback"},
		{in6(16), "IPv4 in IPv6"}, // compatible, translated (RFC 2765)
		{in6(48, 0, 0x64, 0xff, 0x9b, 0, 1), "local NAT64"},
		{in6(64, 1), "discard"},
		{in6(48, 0x20, 0x01, 0, 2), "benchmarks"},
		{in6(28, 0x20, 0x01, 0, 0x10), "identifiers"}, // ORCHID
		{in6(28, 0x20, 0x01, 0, 0x20), "identifiers"}, // ORCHIDv2
		{in6(16, 0x5f), "segment routing"},
		{in6(64, 0xfd, 0x62, 0x61, 0x6e, 0x67, 0x65, 0x72), "banger's virtual network"},
		{in6(7, 0xfc), "private network"},
		{in6(10, 0xfe, 0x80), "link-local"},
		{in6(10, 0xfe, 0xc0), "private network"},
		{in6(8, 0xff), "multicast"},
		{in6(16, 0x3f, 0xfe), "6bone"},
	}
}

// Reserved reports whether an address, or an IPv4 address that it carries, is not one of
// the public internet.
func Reserved(addr netip.Addr) bool {
	_, ok := reserved(addr.WithZone("").Unmap())
	return ok
}

// reserved says what an address is if it, or an IPv4 address that it carries, is
// in a reserved range.
func reserved(addr netip.Addr) (what string, ok bool) {
	ranges := reservedRanges()
	for _, r := range ranges {
		if r.prefix.Contains(addr) {
			return r.what + " " + r.prefix.String(), true
		}
	}
	for _, inner := range embedded(addr) {
		for _, r := range ranges {
			if r.prefix.Contains(inner) {
				return r.what + " " + r.prefix.String() + " inside IPv6", true
			}
		}
	}
	return "", false
}

// opensReserved says whether a rule for the prefix names what is reserved: all of
// it is in one range, or it is a single address.
func opensReserved(prefix netip.Prefix) bool {
	if prefix.IsSingleIP() {
		return true
	}
	for _, r := range reservedRanges() {
		if prefix.Bits() >= r.prefix.Bits() && r.prefix.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// embedded are the IPv4 addresses to which a packet for addr may be carried on:
// 6to4 (RFC 3056), NAT64 (RFC 6052), Teredo (RFC 4380: its server, and the client
// inverted), ISATAP (RFC 5214). Those of IPv4-mapped ones are for Unmap, and all of
// the other forms in ::/16 are reserved.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	in := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at : at+4])) }
	var out []netip.Addr
	switch {
	case b[0] == 0x20 && b[1] == 0x02:
		out = append(out, in(2))
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0:
		out = append(out, in(4), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
		out = append(out, in(12))
	}
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		out = append(out, in(12))
	}
	return out
}
