package netstack

import (
	"context"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/bangervm/banger/internal/netstack/dns"
)

const (
	// maxQueries bounds the DNS questions under way; of more the guest is told at
	// once that they fail.
	maxQueries   = 512
	queryTimeout = 15 * time.Second
)

// backUDP sends the guest a datagram from where its own went.
func (d *datagramFlow) backUDP(route *stack.Route, payload []byte) {
	writeUDP(route, d.asked.Port(), d.guestPort, payload)
}

// writeUDP sends the guest a datagram.
func writeUDP(route *stack.Route, from, to uint16, payload []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	length := uint16(header.UDPMinimumSize + len(payload))
	udp := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	pkt.TransportProtocolNumber = header.UDPProtocolNumber
	udp.Encode(&header.UDPFields{SrcPort: from, DstPort: to, Length: length})
	sum := ^udp.CalculateChecksum(checksum.Combine(
		route.PseudoHeaderChecksum(header.UDPProtocolNumber, length), pkt.Data().Checksum()))
	if sum == 0 {
		sum = 0xffff // zero would mean that there is none
	}
	udp.SetChecksum(sum)
	_ = route.WritePacket(stack.NetworkHeaderParams{
		Protocol: header.UDPProtocolNumber, TTL: route.DefaultTTL(),
	}, pkt) // a datagram may be lost
}

// question has the DNS server answer one by UDP.
func (n *Network) question(id stack.TransportEndpointID, query []byte) {
	select {
	case n.queries <- struct{}{}:
	default:
		n.reply(id, dns.Busy(query))
		return
	}
	answer := func(ctx context.Context) {
		defer func() { <-n.queries }()
		ctx, cancel := context.WithTimeout(ctx, queryTimeout)
		defer cancel()
		n.reply(id, n.dns.Answer(ctx, query, dns.Datagram))
	}
	if !n.spawn(answer) {
		<-n.queries
	}
}

// reply sends the guest an answer to its question, if there is one.
func (n *Network) reply(id stack.TransportEndpointID, answer []byte) {
	if answer == nil {
		return
	}
	route, err := n.route(addrOf(id.LocalAddress))
	if err != nil {
		return
	}
	defer route.Release()
	writeUDP(route, id.LocalPort, id.RemotePort, answer)
}
