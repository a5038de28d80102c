package netstack

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/bangervm/banger/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests.
const patience = 60 * time.Second

// machine is a guest: a second stack at the other end of the wire.
type machine struct {
	stack *stack.Stack
	net   *Network
	world *world
	mac   tcpip.LinkAddress
	addr4 netip.Addr
	addr6 netip.Addr
	conn  net.Conn
	raw   sync.Mutex
	card  *channel.Endpoint
	taps  taps
}

// taps are told of each frame that the guest gets.
type taps struct {
	mu  sync.Mutex
	all []func(frame []byte) bool
}

// expect returns a wait for a frame that is like want says, from now on.
func (m *machine) expect(t *testing.T, want func(frame []byte) bool) (wait func() []byte) {
	t.Helper()
	found := make(chan []byte, 1)
	m.taps.mu.Lock()
	m.taps.all = append(m.taps.all, func(frame []byte) bool {
		if !want(frame) {
			return false
		}
		found <- frame
		return true
	})
	m.taps.mu.Unlock()
	return func() []byte {
		t.Helper()
		select {
		case frame := <-found:
			return frame
		case <-time.After(patience):
			t.Fatal("the guest did not get such a frame")
			return nil
		}
	}
}

func (m *machine) tap(frame []byte) {
	m.taps.mu.Lock()
	defer m.taps.mu.Unlock()
	m.taps.all = slices.DeleteFunc(m.taps.all, func(f func([]byte) bool) bool { return f(frame) })
}

// boot makes a network with the policy and a guest on it.
func boot(t *testing.T, policy string, change ...func(*Config)) *machine {
	t.Helper()
	return bootVM(t, 256, policy, change...)
}

func bootVM(t *testing.T, index uint32, policy string, change ...func(*Config)) *machine {
	t.Helper()
	w := newWorld()
	config := Config{
		Network: networkOfVM(index), VMID: fmt.Sprintf("id-%d", index), Name: fmt.Sprintf("vm%d", index),
		Policy: parsed(t, policy), Log: w.log,
		Resolvers: func() []netip.AddrPort { return nil },
	}
	for _, c := range change {
		c(&config)
	}
	n, err := newNetwork(config, w.dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &machine{net: n, world: w, addr4: n.plan.guest4, addr6: n.plan.guest6, mac: tcpip.LinkAddress(n.plan.mac[:])}
	m.plug(t)
	return m
}

// benchMachine is a machine whose network reaches the host itself.
func benchMachine(b *testing.B, policy egress.Policy) *machine {
	b.Helper()
	n, err := New(Config{Network: networkOfVM(256), VMID: "id", Name: "bench", Policy: policy})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Close() })
	m := &machine{net: n, addr4: n.plan.guest4, addr6: n.plan.guest6, mac: tcpip.LinkAddress(n.plan.mac[:])}
	m.plug(b)
	return m
}

func parsed(t *testing.T, policy string) egress.Policy {
	t.Helper()
	p, err := egress.Parse(policy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// plug attaches the guest with its own stack.
func (m *machine) plug(t testing.TB) {
	t.Helper()
	ours, theirs := wirePair(t)
	m.raw.Lock()
	m.conn = theirs
	m.raw.Unlock()
	m.net.Attach(ours)
	card := channel.New(4096, 65520+14, m.mac)
	m.card = card
	m.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})
	sack := tcpip.TCPSACKEnabled(true)
	m.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack)
	if err := m.stack.CreateNIC(nicID, ethernet.New(card)); err != nil {
		t.Fatal(err)
	}
	for addr, protocol := range map[netip.Prefix]tcpip.NetworkProtocolNumber{
		netip.PrefixFrom(m.addr4, 15): ipv4.ProtocolNumber, netip.PrefixFrom(m.addr6, 64): ipv6.ProtocolNumber,
	} {
		if err := m.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol: protocol, AddressWithPrefix: tcpip.AddressWithPrefix{
				Address: tcpip.AddrFromSlice(addr.Addr().AsSlice()), PrefixLen: addr.Bits(),
			},
		}, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	m.stack.SetRouteTable([]tcpip.Route{
		{Destination: subnet(m.net.plan.net4), NIC: nicID},
		{Destination: subnet(m.net.plan.net6), NIC: nicID},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFromSlice(m.net.plan.gateway4.AsSlice()), NIC: nicID},
		{Destination: header.IPv6EmptySubnet, Gateway: tcpip.AddrFromSlice(m.net.plan.gateway6.AsSlice()), NIC: nicID},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { m.transmit(ctx, card) })
	tasks.Go(func() { m.receive(card, theirs) })
	s := m.stack
	t.Cleanup(func() {
		cancel()
		_ = theirs.Close()
		tasks.Wait()
		s.Destroy()
	})
}

func subnet(p netip.Prefix) tcpip.Subnet {
	return tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(p.Addr().AsSlice()), PrefixLen: p.Bits()}.Subnet()
}

// wirePair is a pair of unix stream sockets, as QEMU has.
func wirePair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "wire")
		ends[i], err = net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

func (m *machine) transmit(ctx context.Context, card *channel.Endpoint) {
	for {
		pkt := card.ReadContext(ctx)
		if pkt == nil {
			return
		}
		view := pkt.ToView()
		m.send(view.AsSlice())
		view.Release()
		pkt.DecRef()
	}
}

// send sends a frame as it is.
func (m *machine) send(frame []byte) {
	m.raw.Lock()
	defer m.raw.Unlock()
	_, _ = m.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

func (m *machine) receive(card *channel.Endpoint, conn net.Conn) {
	for {
		frame, err := readFrame(conn)
		if err != nil {
			return
		}
		m.tap(frame)
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
		card.InjectInbound(0, pkt)
		pkt.DecRef()
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(r, frame)
	return frame, err
}

// dialTCP connects from the guest.
func (m *machine) dialTCP(ctx context.Context, to string) (*gonet.TCPConn, error) {
	addr := netip.MustParseAddrPort(to)
	from := m.addr4
	if addr.Addr().Is6() {
		from = m.addr6
	}
	return gonet.DialTCPWithBind(ctx, m.stack, fullAddress(from, 0), fullAddress(addr.Addr(), addr.Port()), networkOf(addr.Addr()))
}

func (m *machine) mustDial(t *testing.T, to string) *gonet.TCPConn {
	t.Helper()
	conn, err := m.dialTCP(within(t), to)
	if err != nil {
		t.Fatalf("dialling %s: %v", to, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func (m *machine) dialUDP(t *testing.T, to string) *gonet.UDPConn {
	t.Helper()
	addr := netip.MustParseAddrPort(to)
	remote := fullAddress(addr.Addr(), addr.Port())
	conn, err := gonet.DialUDP(m.stack, nil, &remote, networkOf(addr.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// serveTCP listens in the guest.
func (m *machine) serveTCP(t *testing.T, at string, serve func(net.Conn)) {
	t.Helper()
	addr := netip.MustParseAddrPort(at)
	l, err := gonet.ListenTCP(m.stack, fullAddress(addr.Addr(), addr.Port()), networkOf(addr.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	serveAll(t, l, serve)
	t.Cleanup(l.Shutdown) // before it is closed
}

// listenUDP binds a port in the guest.
func (m *machine) listenUDP(t *testing.T, port uint16) *gonet.UDPConn {
	t.Helper()
	local := fullAddress(m.addr4, port)
	conn, err := gonet.DialUDP(m.stack, &local, nil, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}
