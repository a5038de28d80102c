package vm

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// defaultHostAddress is where a port is published that names no address: where
// everybody looks. The VM's own address has it by itself.
const defaultHostAddress = "127.0.0.1"

// maxPublish bounds how many ports a VM publishes.
const maxPublish = 256

// HostPorts tells whether a port of this host can be listened on.
type HostPorts interface {
	// Free returns nil when it can: proto is "tcp" or "udp", port is not 0. A
	// fault is Conflict when something has it, PermissionDenied when this user
	// may not, Invalid when the host has no such address.
	Free(ctx context.Context, proto string, addr netip.AddrPort) error
}

// checkNetwork validates and completes what a request says of the network.
func (c *creation) checkNetwork() error {
	if c.v.Network == "" {
		c.v.Network = NetworkUser
	}
	text := c.defaults.Egress
	switch {
	case c.v.Network != NetworkUser && c.v.Network != NetworkNone:
		return fault.New(fault.Invalid, "network %q is not known", plain.Value(string(c.v.Network))).WithHint("user or none")
	case c.v.Network == NetworkNone && c.req.Egress != nil:
		return fault.New(fault.Invalid, "a VM without a network has no egress policy").WithHint("remove one of the two")
	case c.v.Network == NetworkNone:
		text = "none"
	case c.req.Egress != nil:
		text = *c.req.Egress
	case text == "":
		text = "all"
	}
	policy, err := egress.Parse(text)
	if err != nil {
		return err
	}
	if c.begins(policy) {
		policy = policy.With(c.rules...)
		if _, err := egress.Parse(policy.String()); err != nil {
			return err
		}
	}
	c.v.Egress = policy.At(c.s.now()).String()
	if c.v.Publish, err = completePublish(c.req.Publish); err != nil {
		return err
	}
	c.v.Ports = cmp.Or(c.defaults.Ports, PortsAll)
	if c.req.Ports != nil {
		c.v.Ports = *c.req.Ports
	}
	return c.v.Ports.Validate()
}

// begins says whether the policy begins with the rules of new VMs: it is the configured
// one, or a preset that lets something out. What was asked rule by rule stays as it is.
func (c *creation) begins(policy egress.Policy) bool {
	preset := policy.Preset()
	return c.v.Network == NetworkUser && (c.req.Egress == nil || preset != "" && preset != "none")
}

// completePublish validates and completes the ports of one VM.
func completePublish(ports []Publish) ([]Publish, error) {
	if len(ports) > maxPublish {
		return nil, fault.New(fault.Invalid, "%d published ports are too many", len(ports)).WithHint("give at most %d", maxPublish)
	}
	var done []Publish
	for _, p := range ports {
		if p.Proto == "" {
			p.Proto = "tcp"
		}
		if p.HostAddress == "" {
			p.HostAddress = defaultHostAddress
		}
		if err := p.Validate(); err != nil {
			return nil, err
		}
		p.HostAddress = netip.MustParseAddr(p.HostAddress).Unmap().String()
		if slices.ContainsFunc(done, p.meets) {
			return nil, fault.New(fault.Invalid, "host port %s is published twice", p.host()).WithHint("publish each host port once")
		}
		done = append(done, p)
	}
	return done, nil
}

// Validate returns the fault Invalid for a Publish that no host and guest could
// have. All fields have to be given, as they are in a Spec.
func (p Publish) Validate() error {
	const hint = "[HOSTADDR:]HOSTPORT:GUESTPORT[/udp]"
	switch {
	case p.Proto != "tcp" && p.Proto != "udp":
		return fault.New(fault.Invalid, "protocol %q cannot be published", plain.Value(p.Proto)).WithHint("tcp or udp")
	case p.HostPort < 0 || p.HostPort > 65535:
		return fault.New(fault.Invalid, "host port %d is not between 0 and 65535", p.HostPort).WithHint(hint)
	case p.GuestPort < 1 || p.GuestPort > 65535:
		return fault.New(fault.Invalid, "guest port %d is not between 1 and 65535", p.GuestPort).WithHint(hint)
	}
	addr, err := netip.ParseAddr(p.HostAddress)
	if err != nil || addr.Zone() != "" || addr.IsMulticast() {
		return fault.New(fault.Invalid, "%q is not an address of this host", plain.Value(p.HostAddress)).WithHint("for example 127.0.0.1, or 0.0.0.0 for all")
	}
	return nil
}

// meets says that the host has one place for both, which are complete: 0.0.0.0 is
// at all its IPv4 addresses, :: at all others.
func (p Publish) meets(other Publish) bool {
	if p.Proto != other.Proto || p.HostPort != other.HostPort || p.HostPort == 0 {
		return false
	}
	a, b := netip.MustParseAddr(p.HostAddress), netip.MustParseAddr(other.HostAddress)
	return a == b || a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}

// host is the place on the host, for people.
func (p Publish) host() string {
	return net.JoinHostPort(p.HostAddress, strconv.Itoa(p.HostPort)) + "/" + p.Proto
}

// checkHostPorts refuses what cannot be listened on now. It may be otherwise
// when the VM starts: then the port is shown with its problem.
func (s *Service) checkHostPorts(ctx context.Context, v VM) error {
	if s.deps.HostPorts == nil {
		return nil
	}
	var all []error
	for _, p := range v.Publish {
		if p.HostPort != 0 {
			addr := netip.MustParseAddr(p.HostAddress) // validated when it was stored
			all = append(all, s.deps.HostPorts.Free(ctx, p.Proto, netip.AddrPortFrom(addr, uint16(p.HostPort))))
		}
	}
	return errors.Join(all...)
}
