package netstack

import (
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/bangervm/banger/internal/fault"
)

const (
	nicID = 1

	// The buffers of a TCP endpoint, in bytes. The other end is a memory copy away:
	// a megabyte is more than is ever under way. See crowded for many connections.
	minBuffer = 4 << 10
	tcpBuffer = 1 << 20

	// timeWait may be short: there is no network in which a segment could stray.
	timeWait = 2 * time.Second
)

// newStack makes the stack on the link. The card takes packets for all addresses
// and sends from all: it stands for the whole world.
func newStack(l *link) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{
				NDPConfigs: ipv6.NDPConfigurations{HandleRAs: ipv6.HandlingRAsDisabled},
			}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})
	if err := configure(s, l); err != nil {
		s.Destroy()
		return nil, fault.New(fault.Internal, "setting up the network stack: %s", err)
	}
	return s, nil
}

func configure(s *stack.Stack, l *link) tcpip.Error {
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(false)
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: minBuffer, Default: tcpBuffer, Max: tcpBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: minBuffer, Default: tcpBuffer, Max: tcpBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &wait, &receive, &send} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return err
		}
	}
	if err := s.CreateNIC(nicID, l); err != nil {
		return err
	}
	for _, set := range []func(tcpip.NICID, bool) tcpip.Error{s.SetPromiscuousMode, s.SetSpoofing} {
		if err := set(nicID, true); err != nil {
			return err
		}
	}
	for protocol, addr := range map[tcpip.NetworkProtocolNumber]netip.Prefix{
		ipv4.ProtocolNumber: netip.PrefixFrom(l.plan.gateway4, l.plan.net4.Bits()),
		ipv6.ProtocolNumber: netip.PrefixFrom(l.plan.gateway6, l.plan.net6.Bits()),
	} {
		if err := s.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol: protocol,
			AddressWithPrefix: tcpip.AddressWithPrefix{
				Address: tcpip.AddrFromSlice(addr.Addr().AsSlice()), PrefixLen: addr.Bits(),
			},
		}, stack.AddressProperties{}); err != nil {
			return err
		}
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	return nil
}

// handle makes the network's handlers those of whatever no endpoint takes.
func (n *Network) handle() {
	connections := tcp.NewForwarder(n.stack, tcpBuffer, maxSetup, n.connection)
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, connections.HandlePacket)
	n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, n.datagram)
	n.stack.SetTransportProtocolHandler(icmp.ProtocolNumber4, n.echo)
	n.stack.SetTransportProtocolHandler(icmp.ProtocolNumber6, n.echo)
}

// addrOf is a stack's address as it is: an IPv4-mapped one stays one.
func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

func fullAddress(addr netip.Addr, port uint16) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFromSlice(addr.AsSlice()), Port: port}
}

func networkOf(addr netip.Addr) tcpip.NetworkProtocolNumber {
	if addr.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}
