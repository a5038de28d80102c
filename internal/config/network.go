package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// maxResolvers bounds the upstream resolvers.
const maxResolvers = 8

// complete validates the table, and gives each resolver its port.
func (n *Network) complete() error {
	if _, err := egress.Parse(n.Egress); err != nil {
		return fault.Wrap(fault.Invalid, err, "network.egress").WithHint("%s", fault.HintOf(err))
	}
	if len(n.DNS) > maxResolvers {
		return fault.New(fault.Invalid, "network.dns has %d resolvers, more than %d", len(n.DNS), maxResolvers).WithHint("give at most %d", maxResolvers)
	}
	for i, text := range n.DNS {
		text = strings.TrimSpace(text)
		addr, err := netip.ParseAddrPort(text)
		if bare, bareErr := netip.ParseAddr(text); bareErr == nil {
			addr, err = netip.AddrPortFrom(bare, 53), nil
		}
		if err != nil || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
			return fault.New(fault.Invalid, "network.dns %q is not the address of a resolver", text).WithHint("for example 127.0.0.1:5353 or [::1]:53")
		}
		n.DNS[i] = addr.String()
	}
	if modes := []string{"all", "shared", "none"}; !slices.Contains(modes, n.Ports) {
		return fault.Wrap(fault.Invalid, notOneOf(n.Ports, modes...), "network.ports")
	}
	if n.NamesPort < 0 || n.NamesPort > 65535 {
		return fault.New(fault.Invalid, "network.names_port %d is not between 0 and 65535", n.NamesPort).WithHint("use 0 for none; the default is 5300")
	}
	return nil
}
