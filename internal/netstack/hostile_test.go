package netstack

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// fuzzedNetwork is a network that reaches nothing, and the guest's end of its wire.
func fuzzedNetwork(f *testing.F) (*Network, net.Conn) {
	f.Helper()
	policy, err := egress.Parse("all")
	if err != nil {
		f.Fatal(err)
	}
	n, err := newNetwork(Config{
		Network: networkOfVM(256), Policy: policy, Resolvers: func() []netip.AddrPort { return nil },
	}, func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	if err != nil {
		f.Fatal(err)
	}
	n.ping = func(netip.Addr) (net.Conn, error) { return nil, os.ErrPermission }
	ours, theirs := net.Pipe()
	n.Attach(ours)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, theirs)
	}()
	f.Cleanup(func() {
		_ = n.Close()
		<-done
	})
	return n, theirs
}

// syn is a TCP segment that begins a connection.
func syn(from, to string, fromPort, toPort uint16) []byte {
	body := make([]byte, header.TCPMinimumSize)
	segment := header.TCP(body)
	segment.Encode(&header.TCPFields{
		SrcPort: fromPort, DstPort: toPort, SeqNum: 7, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1000,
	})
	source, target := tcpip.AddrFromSlice(netip.MustParseAddr(from).AsSlice()), tcpip.AddrFromSlice(netip.MustParseAddr(to).AsSlice())
	segment.SetChecksum(^segment.CalculateChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, source, target, uint16(len(body)))))
	return packet4(from, to, 6, body)
}

// A guest that begins connections and completes none costs a bounded number, and
// nothing of them outlives the network (goleak).
func TestHandshakesThatAreNeverCompleted(t *testing.T) {
	m := boot(t, "all")
	arrived := make(chan struct{}, 3000)
	m.atOutside(t, func(conn net.Conn) {
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
	answered := m.expect(t, func(frame []byte) bool {
		ip := header.IPv4(frame[14:])
		return frame[12] == 8 && ip.Protocol() == 6 && header.TCP(ip.Payload()).DestinationPort() == 2
	})
	for port := range uint16(2500) {
		m.send(append(fromGuest(m.net.link, etherIPv4), syn("198.18.1.0", "203.0.113.7", port+1, 8080)...))
	}
	answered()
	<-arrived
	if flows := m.net.Counters().Flows; flows > maxSetup {
		t.Errorf("%d flows are open", flows)
	}
}

// Connections to where nobody answers do not keep others from being made, however
// many they are.
func TestConnectionsThatLeadNowhereGiveWay(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	arrived := make(chan struct{}, 2*maxSetup)
	m.world.holes = func(address string) bool {
		hole := address == "203.0.113.99:8080"
		if hole {
			arrived <- struct{}{}
		}
		return hole
	}
	for port := range uint16(maxSetup) {
		m.send(append(fromGuest(m.net.link, etherIPv4), syn("198.18.1.0", "203.0.113.99", port+1, 8080)...))
		<-arrived
	}
	if err := echoed(m, outside4, "through"); err != nil {
		t.Error(err)
	}
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "close" && r.Address == "203.0.113.99" && r.Reason == "newer connections took its place"
	})
	if flows := m.net.Counters().Flows; flows < 1024 || flows > maxPending+1 {
		t.Errorf("%d flows are open", flows)
	}
}

// What a guest does not let end holds up to a buffer each: it counts for the size
// of those that come.
func TestConnectionsThatDoNotEndCountAsOpen(t *testing.T) {
	m := boot(t, "all")
	endpoint := func() tcpip.Endpoint {
		ep, err := m.net.stack.NewEndpoint(header.TCPProtocolNumber, header.IPv4ProtocolNumber, &waiter.Queue{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ep.Close)
		return ep
	}
	for _, c := range []struct {
		ending int
		want   int64
	}{{32, tcpBuffer}, {1, 256 << 10}, {224, 64 << 10}, {768, 32 << 10}} {
		for range c.ending {
			m.net.closing.mu.Lock()
			m.net.closing.endpoints[endpoint()] = time.Now().Add(patience)
			m.net.closing.mu.Unlock()
		}
		ep := endpoint()
		m.net.crowded(ep)
		if got := ep.SocketOptions().GetSendBufferSize(); got != c.want {
			t.Errorf("%d more that are ending: the buffer has %d bytes, not %d", c.ending, got, c.want)
		}
	}
}

// Connections into the guest count too: it may send and not let anybody read.
func TestConnectionsIntoTheGuestShareTheirBuffers(t *testing.T) {
	m := boot(t, "none")
	over := make(chan struct{})
	m.serveTCP(t, "198.18.1.0:80", func(net.Conn) { <-over })
	t.Cleanup(func() { close(over) })
	var last *insideConn
	const count = 300
	for range count {
		conn, err := m.net.DialGuest(within(t), "tcp", 80)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		last = conn.(*insideConn)
	}
	if got := last.ep.SocketOptions().GetReceiveBufferSize(); got != 64<<10 {
		t.Errorf("the last of %d has a buffer of %d bytes", count, got)
	}
	if open := m.net.inside.Load(); open != count {
		t.Errorf("%d are counted", open)
	}
	_, _ = last.Close(), last.Close()
	if open := m.net.inside.Load(); open != count-1 {
		t.Errorf("%d are counted after one was closed", open)
	}
}

func TestAFrameThatIsTooLongEndsTheWire(t *testing.T) {
	m := boot(t, "all")
	_, _ = m.conn.Write(binary.BigEndian.AppendUint32(nil, maxStreamFrame+1))
	_ = m.conn.SetReadDeadline(time.Now().Add(patience))
	w, _ := m.net.link.current()
	<-w.done
}

// A paused guest takes no frames: what waits for it is bounded, and nothing waits
// for it.
func TestAGuestThatTakesNothing(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	l := testLink(t)
	w := l.attach(ours)
	frame := make([]byte, 60000)
	queued := 0
	for w.queue(outgoing{raw: frame}) {
		queued++
		if queued > maxQueuedBytes/len(frame) {
			t.Fatalf("%d frames of %d bytes are waiting", queued, len(frame))
		}
	}
	if queued < 200 {
		t.Errorf("only %d frames are waiting", queued)
	}
	w.close()
	if w.queue(outgoing{raw: frame}) {
		t.Error("a closed wire takes a frame")
	}
}

// A machine that is started again has a new wire: the connections of the one
// before end, both ways, and new ones work.
func TestAMachineThatIsStartedAgain(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	_ = m.mustDial(t, outside4)
	over := make(chan struct{})
	m.serveTCP(t, "198.18.1.0:80", func(net.Conn) { <-over })
	t.Cleanup(func() { close(over) })
	inside, err := m.net.DialGuest(within(t), "tcp", 80)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inside.Close() }()
	m.plug(t)
	if _, err := inside.Read(make([]byte, 1)); err == nil {
		t.Error("a connection to the machine before lives on")
	}
	m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" && r.Reason != "" })
	if err := echoed(m, outside4, "again"); err != nil {
		t.Error(err)
	}
}

func syn6(from, to string, fromPort, toPort uint16) []byte {
	body := syn("198.18.1.0", "198.18.1.0", fromPort, toPort)[header.IPv4MinimumSize:]
	segment := header.TCP(body)
	segment.SetChecksum(0)
	source, target := tcpip.AddrFromSlice(netip.MustParseAddr(from).AsSlice()), tcpip.AddrFromSlice(netip.MustParseAddr(to).AsSlice())
	segment.SetChecksum(^segment.CalculateChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, source, target, uint16(len(body)))))
	return body
}

// echoRequest is an ICMPv4 one, with some data.
func echoRequest() []byte {
	message := header.ICMPv4(make([]byte, 24))
	message.SetType(header.ICMPv4Echo)
	message.SetIdent(33)
	message.SetSequence(1)
	message.SetChecksum(header.ICMPv4Checksum(message, 0))
	return message
}

// behindOptions puts an empty header of one kind (0: hop by hop, 60: for the
// destination) before an IPv6 packet's body, where the link does not look.
func behindOptions(kind uint8, packet []byte) []byte {
	options := []byte{packet[6], 0, 1, 4, 0, 0, 0, 0} // PadN
	out := append(append(append([]byte(nil), packet[:header.IPv6MinimumSize]...), options...), packet[header.IPv6MinimumSize:]...)
	out[6] = kind
	header.IPv6(out).SetPayloadLength(uint16(len(out) - header.IPv6MinimumSize))
	return out
}

// Neighbour discovery that gets to the stack changes nothing and ends nothing.
func TestNeighbourDiscoveryBehindAnExtensionHeader(t *testing.T) {
	const guest, gateway = "fd62:616e:6765:7200::100", "fd62:616e:6765:7200::1"
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	source, target := tcpip.AddrFromSlice(netip.MustParseAddr(guest).AsSlice()), tcpip.AddrFromSlice(netip.MustParseAddr(gateway).AsSlice())
	for _, kind := range []header.ICMPv6Type{
		header.ICMPv6RouterSolicit, header.ICMPv6RouterAdvert, header.ICMPv6NeighborSolicit, header.ICMPv6NeighborAdvert,
		header.ICMPv6RedirectMsg, header.ICMPv6MulticastListenerQuery, header.ICMPv6MulticastListenerReport,
	} {
		for _, about := range []string{guest, gateway, "2001:db8::7"} {
			message := header.ICMPv6(make([]byte, 64))
			message.SetType(kind)
			copy(message[8:], netip.MustParseAddr(about).AsSlice())
			copy(message[24:], append([]byte{1, 1}, m.net.plan.mac[:]...))
			copy(message[32:], append([]byte{2, 1}, m.net.plan.mac[:]...))
			copy(message[40:], []byte{3, 4, 64, 0xc0, 0xff, 0xff, 0xff, 0xff})
			message.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: message, Src: source, Dst: target}))
			for _, options := range []uint8{0, 60} {
				m.send(append(fromGuest(m.net.link, etherIPv6), behindOptions(options, packet6(guest, gateway, 58, message))...))
			}
		}
	}
	for _, to := range []string{outside4, outside6} {
		if err := echoed(m, to, "still here\n"); err != nil {
			t.Error(err)
		}
	}
}
