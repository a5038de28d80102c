package netstack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// testLink is a link with its parts, and no stack.
func testLink(t *testing.T) *link {
	t.Helper()
	p, err := planOf(networkOfVM(256))
	if err != nil {
		t.Fatal(err)
	}
	return newLink(p)
}

// fromGuest is an Ethernet header of the guest's.
func fromGuest(l *link, kind uint16) []byte {
	head := append(append([]byte(nil), gatewayMAC[:]...), l.plan.mac[:]...)
	return binary.BigEndian.AppendUint16(head, kind)
}

func packet4(from, to string, protocol uint8, body []byte) []byte {
	packet := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(body))
	ip := header.IPv4(packet)
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize + len(body)), TTL: 64, Protocol: protocol,
		SrcAddr: tcpip.AddrFromSlice(netip.MustParseAddr(from).AsSlice()),
		DstAddr: tcpip.AddrFromSlice(netip.MustParseAddr(to).AsSlice()),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	return append(packet, body...)
}

func packet6(from, to string, protocol uint8, body []byte) []byte {
	packet := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(body))
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(body)), TransportProtocol: tcpip.TransportProtocolNumber(protocol), HopLimit: 255,
		SrcAddr: tcpip.AddrFromSlice(netip.MustParseAddr(from).AsSlice()),
		DstAddr: tcpip.AddrFromSlice(netip.MustParseAddr(to).AsSlice()),
	})
	return append(packet, body...)
}

func TestOnlyTheGuestsOwnPacketsReachTheStack(t *testing.T) {
	l := testLink(t)
	const own4, own6, other6 = "198.18.1.0", "fd62:616e:6765:7200::100", "2001:db8::1"
	body := make([]byte, 8)
	type frame struct {
		kind   uint16
		packet []byte
		change func(ethernet []byte)
		want   bool
	}
	for name, f := range map[string]frame{
		"its own, IPv4":           {etherIPv4, packet4(own4, "203.0.113.1", 17, body), nil, true},
		"its own, IPv6":           {etherIPv6, packet6(own6, other6, 17, body), nil, true},
		"another MAC":             {etherIPv4, packet4(own4, "203.0.113.1", 17, body), func(e []byte) { e[11]++ }, false},
		"for another MAC":         {etherIPv4, packet4(own4, "203.0.113.1", 17, body), func(e []byte) { e[5]++ }, false},
		"another IPv4 source":     {etherIPv4, packet4("198.18.1.1", "203.0.113.1", 17, body), nil, false},
		"the gateway as source":   {etherIPv4, packet4("198.18.0.1", "203.0.113.1", 17, body), nil, false},
		"no IPv4 source":          {etherIPv4, packet4("0.0.0.0", "203.0.113.1", 17, body), nil, false},
		"another IPv6 source":     {etherIPv6, packet6("fd62:616e:6765:7200::101", other6, 17, body), nil, false},
		"a link-local source":     {etherIPv6, packet6("fe80::1", other6, 17, body), nil, false},
		"IPv4 multicast":          {etherIPv4, packet4(own4, "224.0.0.251", 17, body), nil, false},
		"IPv4 broadcast":          {etherIPv4, packet4(own4, "255.255.255.255", 17, body), nil, false},
		"the network's broadcast": {etherIPv4, packet4(own4, "198.19.255.255", 17, body), nil, false},
		"IPv6 multicast":          {etherIPv6, packet6(own6, "ff02::fb", 17, body), nil, false},
		"a router advertisement":  {etherIPv6, packet6(own6, other6, 58, append([]byte{134}, body...)), nil, false},
		"IPv6 said to be IPv4":    {etherIPv4, packet6(own6, other6, 17, body), nil, false},
		"a short packet":          {etherIPv4, packet4(own4, "203.0.113.1", 17, nil)[:19], nil, false},
		"a VLAN":                  {0x8100, packet4(own4, "203.0.113.1", 17, body), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			ethernet := fromGuest(l, f.kind)
			if f.change != nil {
				f.change(ethernet)
			}
			if got := l.look(ethernet, f.packet); got.deliver != f.want || got.answer != nil {
				t.Errorf("delivered %v, answered %x", got.deliver, got.answer)
			}
		})
	}
}

func TestAddressesOfTheNetworkButTheGuestsOwnResolve(t *testing.T) {
	l := testLink(t)
	ask4 := func(target string) []byte {
		packet := make([]byte, header.ARPSize)
		a := header.ARP(packet)
		a.SetIPv4OverEthernet()
		a.SetOp(header.ARPRequest)
		copy(a.HardwareAddressSender(), l.plan.mac[:])
		copy(a.ProtocolAddressSender(), l.plan.guest4.AsSlice())
		copy(a.ProtocolAddressTarget(), netip.MustParseAddr(target).AsSlice())
		return l.look(fromGuest(l, etherARP), packet).answer
	}
	ask6 := func(from, target string) []byte {
		body := append(make([]byte, 8), netip.MustParseAddr(target).AsSlice()...)
		body[0] = 135
		return l.look(fromGuest(l, etherIPv6), packet6(from, "ff02::1:ff00:1", 58, body)).answer
	}
	const own6 = "fd62:616e:6765:7200::100"
	for name, answer := range map[string][]byte{
		"gateway4": ask4("198.18.0.1"), "neighbour4": ask4("198.19.7.7"),
		"gateway6": ask6(own6, "fd62:616e:6765:7200::1"), "by link-local": ask6("fe80::1", "fd62:616e:6765:7200::9"),
	} {
		if len(answer) < 42 || !bytes.Equal(answer[:6], l.plan.mac[:]) || !bytes.Equal(answer[6:12], gatewayMAC[:]) {
			t.Errorf("%s: the answer is %x", name, answer)
		}
	}
	for name, answer := range map[string][]byte{
		"own4": ask4("198.18.1.0"), "elsewhere": ask4("203.0.113.1"), "own6": ask6(own6, own6),
		"a look for doubles": ask6("::", "fd62:616e:6765:7200::1"), "elsewhere6": ask6(own6, "2001:db8::1"),
	} {
		if answer != nil {
			t.Errorf("%s: the answer is %x", name, answer)
		}
	}
}

// dhcpMessage is a client's, in an IPv4 packet.
func dhcpMessage(l *link, kind byte, requested string) []byte {
	message := make([]byte, dhcpFixed)
	copy(message, []byte{1, 1, 6, 0, 0xca, 0xfe, 0, 1})
	copy(message[28:], l.plan.mac[:])
	message = binary.BigEndian.AppendUint32(message, dhcpCookie)
	message = append(message, optionType, 1, kind)
	if requested != "" {
		message = append(append(message, optionRequested, 4), netip.MustParseAddr(requested).AsSlice()...)
	}
	message = append(message, optionEnd)
	udp := make([]byte, header.UDPMinimumSize)
	header.UDP(udp).Encode(&header.UDPFields{SrcPort: 68, DstPort: 67, Length: uint16(len(udp) + len(message))})
	return packet4("0.0.0.0", "255.255.255.255", 17, append(udp, message...))
}

func TestDHCPGivesTheStaticLease(t *testing.T) {
	l := testLink(t)
	for _, c := range []struct {
		name      string
		asked     byte
		requested string
		answer    byte
		address   string
	}{
		{"discover", dhcpDiscover, "", dhcpOffer, "198.18.1.0"},
		{"request", dhcpAsk, "198.18.1.0", dhcpAck, "198.18.1.0"},
		{"inform", dhcpInform, "", dhcpAck, "0.0.0.0"},
		{"another address", dhcpAsk, "198.18.1.1", dhcpNak, "0.0.0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := l.look(fromGuest(l, etherIPv4), dhcpMessage(l, c.asked, c.requested))
			if got.deliver || got.answer == nil {
				t.Fatalf("delivered %v, answered %x", got.deliver, got.answer)
			}
			ip := header.IPv4(got.answer[ethernetBytes:])
			if !ip.IsValid(len(ip)) || !ip.IsChecksumValid() || ip.SourceAddress().String() != "198.18.0.1" {
				t.Errorf("the answer's IPv4 header is %x", []byte(ip))
			}
			reply := header.UDP(ip.Payload()).Payload()
			kind, _, server := dhcpOptions(reply[dhcpFixed+4:])
			address := netip.AddrFrom4([4]byte(reply[16:]))
			if kind != c.answer || address.String() != c.address || server != l.plan.gateway4 || !bytes.Equal(reply[4:8], []byte{0xca, 0xfe, 0, 1}) {
				t.Errorf("type %d, address %s, server %s", kind, address, server)
			}
			if mtu := []byte{optionMTU, 2, 0xff, 0xf0}; kind != dhcpNak && !bytes.Contains(reply, mtu) {
				t.Errorf("no MTU in %x", reply)
			}
		})
	}
}

func FuzzFrames(f *testing.F) {
	p, err := planOf(networkOfVM(256))
	if err != nil {
		f.Fatal(err)
	}
	l := newLink(p)
	f.Add(append(fromGuest(l, etherIPv4), dhcpMessage(l, dhcpDiscover, "198.18.1.0")...))
	f.Add(append(fromGuest(l, etherIPv4), packet4("198.18.1.0", "203.0.113.1", 6, make([]byte, 20))...))
	f.Add(append(fromGuest(l, etherIPv6), packet6("fd62:616e:6765:7200::100", "2001:db8::1", 58, make([]byte, 24))...))
	f.Add(append(fromGuest(l, etherIPv4), packet4("198.18.1.0", "198.18.0.1", 1, []byte{8, 0, 0, 0, 0, 1, 0, 1})...))
	n, conn := fuzzedNetwork(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) >= 12 {
			copy(frame, gatewayMAC[:])
			copy(frame[6:], p.mac[:])
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			t.Fatal(err)
		}
		if c := n.Counters(); c.Flows > limits[protocolTCP]+limits[protocolUDP]+limits[protocolICMP] {
			t.Errorf("%d flows", c.Flows)
		}
	})
}
