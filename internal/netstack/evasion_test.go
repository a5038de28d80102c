package netstack

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// denial waits for the record of a denied flow.
func (m *machine) denial(t *testing.T, proto, address string) {
	t.Helper()
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "deny" && r.Protocol == proto && r.Address == address
	})
}

// refusedTCP connects, which must be refused and logged.
func refusedTCP(addresses ...string) func(*testing.T, *machine) {
	return func(t *testing.T, m *machine) {
		for _, to := range addresses {
			if conn, err := m.dialTCP(within(t), to); err == nil {
				_ = conn.Close()
				t.Errorf("%s was reached", to)
			}
			m.denial(t, "tcp", netip.MustParseAddrPort(to).Addr().String())
		}
	}
}

// refusedUDP sends a datagram, which must be answered with "unreachable".
func refusedUDP(addresses ...string) func(*testing.T, *machine) {
	return func(t *testing.T, m *machine) {
		for _, to := range addresses {
			unreachable := m.expect(t, isUnreachable)
			_, _ = m.dialUDP(t, to).Write([]byte("question"))
			unreachable()
			m.denial(t, "udp", netip.MustParseAddrPort(to).Addr().String())
		}
	}
}

// rebound asks for an allowed name that leads somewhere else now, and goes there.
func rebound(u *upstream, addresses ...string) func(*testing.T, *machine) {
	return func(t *testing.T, m *machine) {
		u.set("allowed.example", addresses...)
		m.ask(t, "allowed.example", dnsmessage.TypeA)
		m.ask(t, "allowed.example", dnsmessage.TypeAAAA)
		for _, address := range addresses {
			to := netip.AddrPortFrom(netip.MustParseAddr(address), 443).String()
			if addr := netip.MustParseAddr(address); addr.IsLoopback() || addr.IsLinkLocalUnicast() && addr.Is6() {
				continue // the stack itself takes no such packet: see "rebinding to loopback, on the wire"
			}
			refusedTCP(to)(t, m)
		}
	}
}

// rawFrames sends packets that a guest's own stack would not.
func rawFrames(denied string, packets ...[]byte) func(*testing.T, *machine) {
	return func(t *testing.T, m *machine) {
		for _, packet := range packets {
			kind := uint16(etherIPv4)
			if packet[0]>>4 == 6 {
				kind = etherIPv6
			}
			m.send(append(fromGuest(m.net.link, kind), packet...))
		}
		if denied != "" {
			m.denial(t, "tcp", denied)
		}
		// What was sent before this was dealt with before this.
		if err := echoed(m, outside4, request("allowed.example")); err != nil {
			t.Error(err)
		}
	}
}

// fragments cuts an IPv4 packet into fragments of 8 bytes.
func fragments(packet []byte) [][]byte {
	var out [][]byte
	body := packet[header.IPv4MinimumSize:]
	for at := 0; at < len(body); at += 8 {
		end := min(at+8, len(body))
		piece := append(slices.Clone(packet[:header.IPv4MinimumSize]), body[at:end]...)
		binary.BigEndian.PutUint16(piece[2:], uint16(len(piece)))
		binary.BigEndian.PutUint16(piece[4:], 4711)
		offset := uint16(at / 8)
		if end < len(body) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(piece[6:], offset)
		ip := header.IPv4(piece)
		ip.SetChecksum(0)
		ip.SetChecksum(^ip.CalculateChecksum())
		out = append(out, piece)
	}
	return out
}

// Whatever a guest tries under a policy that allows one name: nothing of it
// reaches the host's dialer.
func TestEvasion(t *testing.T) {
	const guest6 = "fd62:616e:6765:7200::100"
	u, asks := withUpstream(t, nil)
	synTo := func(to string) []byte { return syn("198.18.1.0", to, 999, 443) }
	for name, attempt := range map[string]func(*testing.T, *machine){
		"IP literal":                          refusedTCP("203.0.113.9:443", "[2001:db8::9]:443"),
		"IP literal, decimal (3405803785)":    refusedTCP("203.0.113.9:443"),
		"IP literal, octal (0313.0.0161.011)": refusedTCP("203.0.113.9:443"),
		"IPv6-mapped": rawFrames("",
			packet6(guest6, "::ffff:203.0.113.7", 6, syn6(guest6, "::ffff:203.0.113.7", 999, 443))),
		"NAT64":                          refusedTCP("[64:ff9b::cb00:7107]:443"),
		"6to4":                           refusedTCP("[2002:cb00:7107::1]:443"),
		"another name's address":         anotherName,
		"SNI of an allowed host, there":  refusedTCP("203.0.113.9:443"),
		"a foreign resolver":             refusedUDP("198.51.100.53:53", "[2001:db8::53]:53"),
		"a foreign resolver by TCP":      refusedTCP("198.51.100.53:53", "[2001:db8::53]:53"),
		"DNS over HTTPS":                 refusedTCP("198.51.100.53:443"),
		"DNS over TLS":                   refusedTCP("198.51.100.53:853"),
		"DNS over QUIC":                  refusedUDP("198.51.100.53:853"),
		"QUIC to an allowed name":        refusedUDP("203.0.113.7:443"),
		"rebinding to metadata":          rebound(u, "169.254.169.254", "fd00:ec2::254"),
		"rebinding to a private network": rebound(u, "10.0.0.1", "192.168.1.1", "172.16.0.1", "fd00::1"),
		"rebinding to loopback":          rebound(u, "127.0.0.1", "::1"),
		"rebinding to loopback, on the wire": rawFrames("", synTo("127.0.0.1"),
			packet6(guest6, "::1", 6, syn6(guest6, "::1", 999, 443))),
		"rebinding to the host":        rebound(u, "198.18.0.2", "fd62:616e:6765:7200::2"),
		"IPv6 alternatives":            refusedTCP("[2001:db8::9]:443", "[fd00::1]:80", "[2001::1]:443", "[::203.0.113.7]:443"),
		"ICMP":                         pinged,
		"a fragmented SYN":             rawFrames("203.0.113.9", fragments(synTo("203.0.113.9"))...),
		"a neighbour's address":        refusedTCP("198.18.1.1:22", "[fd62:616e:6765:7200::101]:22"),
		"a neighbour's address, UDP":   refusedUDP("198.18.1.1:53"),
		"the host's own address":       refusedOwn,
		"the host's loopback":          refusedTCP("198.18.0.2:22", "[fd62:616e:6765:7200::2]:22"),
		"a source that is a neighbour": rawFrames("", syn("198.18.1.1", "203.0.113.9", 999, 443)),
	} {
		t.Run(name, func(t *testing.T) {
			u.set("allowed.example", "203.0.113.7")
			m := boot(t, "default deny\nallow allowed.example", asks)
			m.net.ping = func(addr netip.Addr) (net.Conn, error) {
				t.Errorf("%s was pinged", addr)
				return nil, io.EOF
			}
			m.atOutside(t, echoAll)
			m.ask(t, "allowed.example", dnsmessage.TypeA)
			if err := echoed(m, outside4, request("allowed.example")); err != nil {
				t.Fatalf("what is allowed fails: %v", err)
			}
			attempt(t, m)
			for _, reached := range m.world.dialled() {
				if reached != "tcp "+outside4 && !strings.HasSuffix(reached, " "+u.at.String()) {
					t.Errorf("the dialer was asked for %s", reached)
				}
			}
		})
	}
}

// anotherName asks for a name that is denied, and goes to its address all the same.
func anotherName(t *testing.T, m *machine) {
	if code, addrs := m.ask(t, "other.example", dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
		t.Errorf("other.example: %s, %v", code, addrs)
	}
	refusedTCP("203.0.113.8:443")(t, m)
}

// refusedOwn goes to an address of the host's own that an allowed name has.
func refusedOwn(t *testing.T, m *machine) {
	m.net.own = func(addr netip.Addr) (bool, netip.Prefix) {
		return addr == netip.MustParseAddr("203.0.113.7"), netip.Prefix{}
	}
	refusedTCP("203.0.113.7:22")(t, m)
}

// pinged sends an echo, which must not be answered.
func pinged(t *testing.T, m *machine) {
	var answered atomic.Bool
	_ = m.expect(t, func(frame []byte) bool {
		if frame[12] == 8 && frame[14+9] == 1 {
			answered.Store(true)
		}
		return false
	})
	rawFrames("", packet4("198.18.1.0", "203.0.113.9", 1, echoRequest()),
		packet4("198.18.1.0", "203.0.113.7", 1, echoRequest()))(t, m)
	if answered.Load() {
		t.Error("an echo was answered")
	}
	m.denial(t, "icmp", "203.0.113.9")
}
