package egress

import (
	"net"
	"net/netip"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// splitPort writes the port that stands at a target (github.com:443, host:8080,
// [2001:db8::1]:53) where the language has it.
func splitPort(words []string) ([]string, error) {
	target := words[1]
	if strings.Count(target, ":") != 1 && !strings.HasPrefix(target, "[") {
		return words, nil // an address of IPv6 is no target with a port
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" || strings.Contains(port, "/") {
		return words, nil //nolint:nilerr // it is judged as a target
	}
	protocol := string(TCP)
	if len(words) == 3 {
		protocol = words[2]
	}
	if strings.Contains(protocol, "/") {
		return nil, fault.New(fault.Invalid, "%q and %q both name a port", target, protocol).WithHint("%s %s", host, protocol)
	}
	return []string{words[0], host, protocol + "/" + port}, nil
}

// hostVM is the name by which the guest knows the host. No rule by name could be
// about it: it is answered whatever the policy, and what it leads to is reserved.
const hostVM = "host.vm"

func parseTarget(word string) (target, error) {
	lower := strings.ToLower(word)
	switch lower {
	case string(anyTarget), string(hostTarget):
		return target{kind: kind(lower)}, nil
	case hostVM, hostVM + ".":
		return target{kind: hostTarget}, nil
	case "tcp", "udp", "icmp", string(Allow), string(Deny), "default", "preset", "*":
		return target{}, fault.New(fault.Invalid, "%q is not a target", word).WithHint("write any for all targets: allow any tcp/443")
	}
	if addr, err := netip.ParseAddr(word); err == nil {
		if addr.Zone() != "" {
			return target{}, fault.New(fault.Invalid, "%q has a zone", word).WithHint("%s", addr.WithZone(""))
		}
		return addressTarget(netip.PrefixFrom(addr, addr.BitLen()), word)
	}
	if strings.Contains(word, "/") && !strings.Contains(word, "://") {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return target{}, fault.New(fault.Invalid, "%q is not a prefix", word).WithHint("write a prefix as 203.0.113.0/24, ports as tcp/443")
		}
		return addressTarget(prefix, word)
	}
	below, isBelow := strings.CutPrefix(lower, "*.")
	if isBelow {
		word = below
	}
	name, err := parseName(word)
	if err != nil {
		return target{}, err
	}
	if isBelow {
		return target{kind: belowTarget, name: name}, nil
	}
	return target{kind: nameTarget, name: name}, nil
}

func addressTarget(prefix netip.Prefix, word string) (target, error) {
	addr := prefix.Addr()
	if addr.Is4In6() {
		hint := addr.Unmap().String()
		if bits := prefix.Bits() - 96; bits >= 0 && !prefix.IsSingleIP() {
			hint = netip.PrefixFrom(addr.Unmap(), bits).Masked().String()
		}
		return target{}, fault.New(fault.Invalid, "%q is an IPv4 address in IPv6 form", word).WithHint("%s", hint)
	}
	if prefix != prefix.Masked() {
		return target{}, fault.New(fault.Invalid, "%q has bits beyond its length", word).WithHint("%s", prefix.Masked())
	}
	return target{kind: prefixTarget, prefix: prefix}, nil
}
