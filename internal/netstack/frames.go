package netstack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// The EtherTypes that a guest is heard in.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

// heard is what becomes of a frame from the guest.
type heard struct {
	deliver  bool // to the stack
	protocol tcpip.NetworkProtocolNumber
	answer   []byte // a whole frame for the guest, or nil
}

// look says what becomes of a frame. A guest can send anything: only packets
// from its own addresses to one destination go on to the stack.
func (l *link) look(ethernet, payload []byte) heard {
	to, from := mac(ethernet), mac(ethernet[6:])
	if from != l.plan.mac || to != gatewayMAC && to[0]&1 == 0 {
		return heard{}
	}
	switch binary.BigEndian.Uint16(ethernet[12:]) {
	case etherARP:
		return heard{answer: l.answerARP(payload)}
	case etherIPv4:
		return l.look4(payload)
	case etherIPv6:
		return l.look6(payload)
	}
	return heard{}
}

func (l *link) look4(packet []byte) heard {
	if len(packet) < header.IPv4MinimumSize || packet[0]>>4 != 4 {
		return heard{}
	}
	from, to := netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
	if from != l.plan.guest4 && !from.IsUnspecified() {
		return heard{}
	}
	if request, ok := dhcpRequest(packet); ok {
		if to != l.plan.gateway4 && to != broadcast {
			return heard{}
		}
		return heard{answer: l.answerDHCP(request)}
	}
	if from.IsUnspecified() || to.IsMulticast() || to == broadcast || to == lastOf(l.plan.net4) || to.IsLoopback() {
		return heard{}
	}
	return heard{deliver: true, protocol: header.IPv4ProtocolNumber}
}

func (l *link) look6(packet []byte) heard {
	if len(packet) < header.IPv6MinimumSize || packet[0]>>4 != 6 {
		return heard{}
	}
	from, to := netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
	if packet[6] == uint8(header.ICMPv6ProtocolNumber) && len(packet) > header.IPv6MinimumSize {
		switch header.ICMPv6Type(packet[header.IPv6MinimumSize]) {
		case header.ICMPv6NeighborSolicit:
			return heard{answer: l.answerSolicit(from, to, packet)}
		case header.ICMPv6NeighborAdvert, header.ICMPv6RouterSolicit, header.ICMPv6RouterAdvert, header.ICMPv6RedirectMsg:
			return heard{}
		default:
		}
	}
	if from != l.plan.guest6 || to.IsMulticast() || to.IsLinkLocalUnicast() || to.IsLoopback() || to.Is4In6() {
		return heard{}
	}
	return heard{deliver: true, protocol: header.IPv6ProtocolNumber}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255}) //nolint:gochecknoglobals // a constant

// lastOf is the highest address of an IPv4 network: its broadcast address.
func lastOf(network netip.Prefix) netip.Addr {
	last := network.Masked().Addr().As4()
	host := uint32(1)<<(32-network.Bits()) - 1
	binary.BigEndian.PutUint32(last[:], binary.BigEndian.Uint32(last[:])|host)
	return netip.AddrFrom4(last)
}

// frame begins a frame for the guest.
func (l *link) frame(kind uint16, size int) []byte {
	head := ethernetHeader(l.plan.mac)
	binary.BigEndian.PutUint16(head[12:], kind)
	return append(make([]byte, 0, ethernetBytes+size), head[:]...)
}

// answerARP answers who-has for every address of the network but the guest's
// own, which it asks for to learn whether somebody else has it.
func (l *link) answerARP(packet []byte) []byte {
	asked := header.ARP(packet)
	if !asked.IsValid() || asked.Op() != header.ARPRequest || mac(asked.HardwareAddressSender()) != l.plan.mac {
		return nil
	}
	target := netip.AddrFrom4([4]byte(asked.ProtocolAddressTarget()))
	if !l.plan.net4.Contains(target) || target == l.plan.guest4 {
		return nil
	}
	frame := l.frame(etherARP, header.ARPSize)
	answer := header.ARP(frame[ethernetBytes : ethernetBytes+header.ARPSize])
	answer.SetIPv4OverEthernet()
	answer.SetOp(header.ARPReply)
	copy(answer.HardwareAddressSender(), gatewayMAC[:])
	copy(answer.ProtocolAddressSender(), asked.ProtocolAddressTarget())
	copy(answer.HardwareAddressTarget(), l.plan.mac[:])
	copy(answer.ProtocolAddressTarget(), asked.ProtocolAddressSender())
	return frame[:ethernetBytes+header.ARPSize]
}

// answerSolicit does in IPv6 what answerARP does in IPv4. The guest may ask from
// its link-local address; an unspecified one looks for doubles, which there are
// none of.
func (l *link) answerSolicit(from, to netip.Addr, packet []byte) []byte {
	if from != l.plan.guest6 && !from.IsLinkLocalUnicast() || packet[7] != header.NDPHopLimit {
		return nil
	}
	body := packet[header.IPv6MinimumSize:]
	if len(body) < header.ICMPv6NeighborSolicitMinimumSize {
		return nil
	}
	target := netip.AddrFrom16([16]byte(body[header.ICMPv6HeaderSize+4:]))
	if !l.plan.net6.Contains(target) || target == l.plan.guest6 || to != target && !to.IsMulticast() {
		return nil
	}
	const advert = header.ICMPv6NeighborAdvertMinimumSize + header.NDPLinkLayerAddressSize
	frame := l.frame(etherIPv6, header.IPv6MinimumSize+advert)
	frame = frame[:cap(frame)]
	header.IPv6(frame[ethernetBytes:]).Encode(&header.IPv6Fields{
		PayloadLength: advert, TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: header.NDPHopLimit,
		SrcAddr: tcpip.AddrFrom16(target.As16()), DstAddr: tcpip.AddrFrom16(from.As16()),
	})
	message := header.ICMPv6(frame[ethernetBytes+header.IPv6MinimumSize:])
	message.SetType(header.ICMPv6NeighborAdvert)
	na := header.NDPNeighborAdvert(message.MessageBody())
	na.SetSolicitedFlag(true)
	na.SetOverrideFlag(true)
	na.SetTargetAddress(tcpip.AddrFrom16(target.As16()))
	na.Options().Serialize(header.NDPOptionsSerializer{
		header.NDPTargetLinkLayerAddressOption(gatewayMAC[:]),
	})
	message.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: message, Src: tcpip.AddrFrom16(target.As16()), Dst: tcpip.AddrFrom16(from.As16()),
	}))
	return frame
}
