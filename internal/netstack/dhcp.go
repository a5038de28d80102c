package netstack

import (
	"encoding/binary"
	"math"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// DHCPv4 (RFC 2131), as much of it as gives the one guest its one address: an
// image's own network configuration then agrees with the static one. The lease
// has no end.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
	dhcpFixed      = 236 // bytes before the cookie
	dhcpCookie     = 0x63825363
	dhcpSize       = 300 // BOOTP's least, which some clients insist on

	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpAsk      = 3
	dhcpAck      = 5
	dhcpNak      = 6
	dhcpInform   = 8

	optionMask      = 1
	optionRouter    = 3
	optionDNS       = 6
	optionMTU       = 26
	optionRequested = 50
	optionLease     = 51
	optionType      = 53
	optionServer    = 54
	optionEnd       = 255
)

// dhcpRequest returns the DHCP message in an IPv4 packet, if it is a whole one
// from a client to a server.
func dhcpRequest(packet []byte) ([]byte, bool) {
	ip := header.IPv4(packet)
	if ip.Protocol() != uint8(header.UDPProtocolNumber) || !ip.IsValid(len(packet)) ||
		ip.More() || ip.FragmentOffset() != 0 {
		return nil, false
	}
	body := packet[ip.HeaderLength():ip.TotalLength()]
	if len(body) < header.UDPMinimumSize {
		return nil, false
	}
	udp := header.UDP(body)
	if udp.SourcePort() != dhcpClientPort || udp.DestinationPort() != dhcpServerPort {
		return nil, false
	}
	return body[header.UDPMinimumSize:], true
}

// answerDHCP returns the frame that answers a message, or nil.
func (l *link) answerDHCP(message []byte) []byte {
	const request, ethernet, addressSize = 1, 1, 6
	if len(message) < dhcpFixed+4 || message[0] != request || message[1] != ethernet || message[2] != addressSize ||
		mac(message[28:]) != l.plan.mac || binary.BigEndian.Uint32(message[dhcpFixed:]) != dhcpCookie {
		return nil
	}
	kind, requested, server := dhcpOptions(message[dhcpFixed+4:])
	if server.IsValid() && server != l.plan.gateway4 {
		return nil
	}
	var answer byte
	switch kind {
	case dhcpDiscover:
		answer = dhcpOffer
	case dhcpInform:
		answer = dhcpAck
	case dhcpAsk:
		if !requested.IsValid() {
			requested = netip.AddrFrom4([4]byte(message[12:])) // renewing: it has the address
		}
		answer = dhcpAck
		if requested != l.plan.guest4 {
			answer = dhcpNak
		}
	default:
		return nil
	}
	return l.dhcpFrame(l.dhcpReply(message, kind, answer))
}

// dhcpOptions reads what matters of a message's options.
func dhcpOptions(options []byte) (kind byte, requested, server netip.Addr) {
	for len(options) > 0 && options[0] != optionEnd {
		if options[0] == 0 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			break
		}
		value := options[2 : 2+int(options[1])]
		switch {
		case options[0] == optionType && len(value) == 1:
			kind = value[0]
		case options[0] == optionRequested && len(value) == 4:
			requested = netip.AddrFrom4([4]byte(value))
		case options[0] == optionServer && len(value) == 4:
			server = netip.AddrFrom4([4]byte(value))
		}
		options = options[2+len(value):]
	}
	return kind, requested, server
}

func (l *link) dhcpReply(message []byte, asked, kind byte) []byte {
	reply := make([]byte, dhcpFixed, dhcpSize)
	copy(reply, message[:4])
	reply[0], reply[3] = 2, 0          // a reply, no hops
	copy(reply[4:8], message[4:8])     // the transaction
	copy(reply[10:12], message[10:12]) // flags
	copy(reply[28:44], message[28:44]) // the client's hardware address
	gateway, guest := l.plan.gateway4.As4(), l.plan.guest4.As4()
	if kind != dhcpNak && asked != dhcpInform {
		copy(reply[16:20], guest[:])
	}
	copy(reply[20:24], gateway[:])
	reply = binary.BigEndian.AppendUint32(reply, dhcpCookie)
	reply = append(reply, optionType, 1, kind)
	reply = append(append(reply, optionServer, 4), gateway[:]...)
	if kind != dhcpNak {
		reply = binary.BigEndian.AppendUint32(append(reply, optionMask, 4), math.MaxUint32<<(32-l.plan.net4.Bits()))
		reply = append(append(reply, optionRouter, 4), gateway[:]...)
		reply = append(append(reply, optionDNS, 4), gateway[:]...)
		reply = binary.BigEndian.AppendUint16(append(reply, optionMTU, 2), uint16(l.plan.mtu))
	}
	if kind != dhcpNak && asked != dhcpInform {
		reply = binary.BigEndian.AppendUint32(append(reply, optionLease, 4), math.MaxUint32)
	}
	reply = append(reply, optionEnd)
	return reply[:max(len(reply), dhcpSize)]
}

// dhcpFrame sends a reply to everybody: the guest may have no address yet.
func (l *link) dhcpFrame(reply []byte) []byte {
	size := header.IPv4MinimumSize + header.UDPMinimumSize + len(reply)
	frame := l.frame(etherIPv4, size)
	frame = frame[:cap(frame)]
	gateway := tcpip.AddrFrom4(l.plan.gateway4.As4())
	ip := header.IPv4(frame[ethernetBytes:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(size), TTL: 64, Protocol: uint8(header.UDPProtocolNumber),
		SrcAddr: gateway, DstAddr: header.IPv4Broadcast,
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(frame[ethernetBytes+header.IPv4MinimumSize:])
	length := uint16(header.UDPMinimumSize + len(reply))
	udp.Encode(&header.UDPFields{SrcPort: dhcpServerPort, DstPort: dhcpClientPort, Length: length})
	copy(udp.Payload(), reply)
	pseudo := header.PseudoHeaderChecksum(header.UDPProtocolNumber, gateway, header.IPv4Broadcast, length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(reply, pseudo)))
	return frame
}
