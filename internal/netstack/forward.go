package netstack

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// datagramKey is what makes datagrams, or echoes, one flow.
type datagramKey struct {
	protocol  protocol
	guestPort uint16 // or the echoes' identifier
	to        netip.AddrPort
}

// datagram takes one UDP packet of the guest's; false has the stack answer that
// the port is unreachable.
func (n *Network) datagram(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	udp := header.UDP(pkt.TransportHeader().Slice())
	size := pkt.Data().Size()
	whole, intact := header.UDPValid(udp, func() uint16 { return pkt.Data().Checksum() }, uint16(size),
		pkt.NetworkProtocolNumber, id.RemoteAddress, id.LocalAddress, false)
	if !whole || !intact {
		return true
	}
	length := min(int(udp.Length())-header.UDPMinimumSize, size)
	to := netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort)
	payload := pkt.Data().AsRange().Capped(length).ToSlice()
	if n.plan.gateway(to.Addr()) {
		if to.Port() != dnsPort {
			return false
		}
		n.question(id, payload)
		return true
	}
	return n.forward(datagramKey{protocolUDP, id.RemotePort, to}, payload)
}

// forward gives a payload to its flow, which it begins if it is the first; false:
// it is denied.
func (n *Network) forward(key datagramKey, payload []byte) bool {
	n.mu.Lock()
	d := n.datagrams[key]
	if d != nil {
		d.wait(payload)
	}
	n.mu.Unlock()
	if d == nil {
		f := n.begin(key.protocol, key.guestPort, key.to)
		if f == nil {
			return false
		}
		d = &datagramFlow{flow: f, waiting: make(chan []byte, maxWaiting), began: time.Now()}
		if key.protocol == protocolUDP {
			d.back = d.backUDP
		} else {
			d.back = d.backEcho
		}
		n.mu.Lock()
		n.datagrams[key] = d
		d.wait(payload)
		n.mu.Unlock()
		if !n.spawn(func(context.Context) { d.run(key) }) { //nolint:contextcheck // the flow has its own
			d.leave(key, "")
		}
	}
	return true
}

// quietestLocked is the flow of UDP that gives way to a newer one, as most of them
// wait for nothing any more; nil: there is none, or too many are about to end.
func (n *Network) quietestLocked(p protocol) (out *datagramFlow) {
	const ending = 64
	if p != protocolUDP || n.counts[p] >= limits[p]+ending {
		return nil
	}
	for _, d := range n.datagrams {
		if d.protocol == p && d.ctx.Err() == nil && (out == nil || d.left() < out.left()) {
			out = d
		}
	}
	return out
}

// route leads from an address of the world's to the guest. The caller releases it.
func (n *Network) route(from netip.Addr) (*stack.Route, error) {
	guest := n.plan.guest4
	if from.Is6() {
		guest = n.plan.guest6
	}
	route, err := n.stack.FindRoute(nicID, tcpip.AddrFromSlice(from.AsSlice()), tcpip.AddrFromSlice(guest.AsSlice()),
		networkOf(from), false)
	if err != nil {
		return nil, errors.New(err.String())
	}
	return route, nil
}
