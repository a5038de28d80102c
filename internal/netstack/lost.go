package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/bangervm/banger/internal/vm"
)

// maxConnections bounds what is remembered of a suspended guest's connections: beyond, they are
// reset when the guest next sends something.
const maxConnections = 4096

// probeWindow is the window that a probe tells. It says nothing.
const probeWindow = 1024

// Connections returns the guest's TCP connections, at most 4,096 of them.
func (n *Network) Connections() []vm.Connection {
	var all []vm.Connection
	for _, registered := range n.stack.RegisteredEndpoints() {
		ep, ok := registered.(tcpip.Endpoint)
		if !ok || !connected(tcp.EndpointState(ep.State())) {
			continue
		}
		peer, localErr := ep.GetLocalAddress()
		guest, remoteErr := ep.GetRemoteAddress()
		if localErr != nil || remoteErr != nil {
			continue
		}
		all = append(all, vm.Connection{Guest: addrPort(guest).String(), Peer: addrPort(peer).String()})
		if len(all) == maxConnections {
			break
		}
	}
	return all
}

// Lost has the guest learn that these connections of before its suspension are gone, also where it only
// waits for its peer: each gets a segment out of its place, which it answers; nothing here knows that
// connection, so that the answer gets a reset with the right number.
func (n *Network) Lost(connections []vm.Connection) {
	w, _ := n.link.current()
	if w == nil {
		return
	}
	for _, c := range connections[:min(len(connections), maxConnections)] {
		guest, guestErr := netip.ParseAddrPort(c.Guest)
		peer, peerErr := netip.ParseAddrPort(c.Peer)
		own := guest.Addr() == n.plan.guest4 || guest.Addr() == n.plan.guest6
		if guestErr != nil || peerErr != nil || !own || peer.Addr().Is4() != guest.Addr().Is4() {
			continue
		}
		w.queue(outgoing{raw: n.link.probe(peer, guest)})
	}
}

// probe is a frame with a bare acknowledgement that fits no connection.
func (l *link) probe(from, to netip.AddrPort) []byte {
	source, destination := tcpip.AddrFromSlice(from.Addr().AsSlice()), tcpip.AddrFromSlice(to.Addr().AsSlice())
	kind, ip := uint16(etherIPv4), header.IPv4MinimumSize
	if to.Addr().Is6() {
		kind, ip = etherIPv6, header.IPv6MinimumSize
	}
	frame := l.frame(kind, ip+header.TCPMinimumSize)
	frame = frame[:cap(frame)]
	packet := frame[ethernetBytes:]
	if kind == etherIPv4 {
		head := header.IPv4(packet)
		head.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(packet)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: source, DstAddr: destination,
		})
		head.SetChecksum(^head.CalculateChecksum())
	} else {
		header.IPv6(packet).Encode(&header.IPv6Fields{
			PayloadLength: header.TCPMinimumSize, TransportProtocol: header.TCPProtocolNumber, HopLimit: 64, SrcAddr: source, DstAddr: destination,
		})
	}
	segment := header.TCP(packet[ip:])
	segment.Encode(&header.TCPFields{
		SrcPort: from.Port(), DstPort: to.Port(), DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagAck, WindowSize: probeWindow,
	})
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, source, destination, header.TCPMinimumSize)
	segment.SetChecksum(^checksum.Checksum(segment, sum))
	return frame
}

// connected reports whether the guest believes in a connection in this state.
func connected(s tcp.EndpointState) bool {
	switch s {
	case tcp.StateEstablished, tcp.StateCloseWait, tcp.StateFinWait1, tcp.StateFinWait2:
		return true
	default:
		return false
	}
}

func addrPort(a tcpip.FullAddress) netip.AddrPort { return netip.AddrPortFrom(addrOf(a.Addr), a.Port) }
