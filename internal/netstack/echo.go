package netstack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// echoHeader is the size of an echo's header, in IPv4 and IPv6: type, code,
// checksum, identifier, sequence number.
const echoHeader = 8

// echo takes one ICMP packet of the guest's. The stack itself answers those to
// the gateway; what is denied, or no echo, is dropped.
func (n *Network) echo(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	to := addrOf(id.LocalAddress)
	if n.plan.gateway(to) {
		return false
	}
	message := append(append([]byte(nil), pkt.TransportHeader().Slice()...), pkt.Data().AsRange().ToSlice()...)
	if len(message) < echoHeader || len(message) > maxDatagram {
		return true
	}
	if kind := message[0]; to.Is4() && kind != uint8(header.ICMPv4Echo) || to.Is6() && kind != uint8(header.ICMPv6EchoRequest) {
		return true
	}
	identifier := binary.BigEndian.Uint16(message[4:])
	n.forward(datagramKey{protocolICMP, identifier, netip.AddrPortFrom(to, 0)}, message)
	return true
}

// backEcho sends the guest the answer to an echo, with the identifier that it
// chose and not the one that the host did.
func (d *datagramFlow) backEcho(route *stack.Route, message []byte) {
	if len(message) < echoHeader {
		return
	}
	v4 := d.asked.Addr().Is4()
	kind, protocol := uint8(header.ICMPv6EchoReply), header.ICMPv6ProtocolNumber
	if v4 {
		kind, protocol = uint8(header.ICMPv4EchoReply), header.ICMPv4ProtocolNumber
	}
	if message[0] != kind {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: echoHeader + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(message[echoHeader:]),
	})
	defer pkt.DecRef()
	head := pkt.TransportHeader().Push(echoHeader)
	pkt.TransportProtocolNumber = protocol
	copy(head, message[:echoHeader])
	binary.BigEndian.PutUint16(head[2:], 0)
	binary.BigEndian.PutUint16(head[4:], d.guestPort)
	sum := checksum.Combine(checksum.Checksum(head, 0), pkt.Data().Checksum())
	if !v4 {
		sum = checksum.Combine(sum, route.PseudoHeaderChecksum(protocol, uint16(len(message))))
	}
	binary.BigEndian.PutUint16(head[2:], ^sum)
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: protocol, TTL: route.DefaultTTL()}, pkt) // may be lost
}
