package netstack

import (
	"net"
	"net/netip"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// mac is an Ethernet address.
type mac [6]byte

// gatewayMAC answers for every address of the virtual network but the guest's:
// locally administered, and none that a VM can have.
var gatewayMAC = mac{0x02, 'b', 'a', 'n', 'g', 0x01} //nolint:gochecknoglobals // a constant

// plan is vm.Network, parsed.
type plan struct {
	mac                mac
	mtu                int
	guest4, guest6     netip.Addr
	net4, net6         netip.Prefix
	gateway4, gateway6 netip.Addr
	host4, host6       netip.Addr
}

// The bounds of an MTU: what IPv6 needs, and what a frame of 64 KiB holds.
const (
	minMTU = 1280
	maxMTU = 65520
)

func planOf(network vm.Network) (plan, error) {
	var p plan
	hardware, err := net.ParseMAC(network.MAC)
	if err != nil || len(hardware) != len(p.mac) || hardware[0]&1 != 0 {
		return p, invalid("MAC", network.MAC)
	}
	p.mac, p.mtu = mac(hardware), network.MTU
	if p.mtu < minMTU || p.mtu > maxMTU {
		return p, fault.New(fault.Invalid, "the network's MTU %d is not within %d and %d", p.mtu, minMTU, maxMTU)
	}
	for _, a := range []struct {
		what, text string
		v6         bool
		prefix     *netip.Prefix
		addr       *netip.Addr
	}{
		{"guest4", network.Guest4, false, &p.net4, &p.guest4},
		{"guest6", network.Guest6, true, &p.net6, &p.guest6},
		{"gateway4", network.Gateway4, false, nil, &p.gateway4},
		{"gateway6", network.Gateway6, true, nil, &p.gateway6},
		{"host4", network.Host4, false, nil, &p.host4},
		{"host6", network.Host6, true, nil, &p.host6},
	} {
		if *a.addr, err = addressOf(a.text, a.prefix); err != nil || a.addr.Is6() != a.v6 || a.addr.Is4In6() {
			return p, invalid(a.what, a.text)
		}
	}
	return p, nil
}

// addressOf parses an address, or, with prefix, one behind which its network's
// length stands.
func addressOf(text string, prefix *netip.Prefix) (netip.Addr, error) {
	if prefix == nil {
		return netip.ParseAddr(text)
	}
	parsed, err := netip.ParsePrefix(text)
	*prefix = parsed.Masked()
	return parsed.Addr(), err
}

func invalid(what, value string) error {
	return fault.New(fault.Invalid, "cannot use the network's %s %q", what, value)
}

// virtual reports whether addr is of the virtual network.
func (p *plan) virtual(addr netip.Addr) bool { return p.net4.Contains(addr) || p.net6.Contains(addr) }

func (p *plan) gateway(addr netip.Addr) bool { return addr == p.gateway4 || addr == p.gateway6 }
