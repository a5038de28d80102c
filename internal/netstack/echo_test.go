package netstack

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// answersEchoes stands for the world behind a ping socket, of either family.
func answersEchoes(conn net.Conn) {
	buf := make([]byte, maxDatagram)
	for {
		read, err := conn.Read(buf)
		if err != nil {
			return
		}
		switch buf[0] {
		case 8:
			buf[0] = 0
		case 128:
			buf[0] = 129
		}
		buf[4], buf[5] = 0xee, 0xee // the host's own identifier
		_, _ = conn.Write(buf[:read])
	}
}

func TestEchoesGoOutUnderThePolicy(t *testing.T) {
	m := boot(t, "default deny\nallow 203.0.113.7 icmp\nallow 2001:db8::7 icmp")
	done := make(chan struct{}, 2)
	m.net.ping = func(netip.Addr) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			answersEchoes(theirs)
			done <- struct{}{}
		}()
		return ours, nil
	}
	answer := m.expect(t, func(frame []byte) bool { return frame[12] == 8 && frame[23] == 1 && frame[34] == 0 })
	m.send(append(fromGuest(m.net.link, etherIPv4), packet4("198.18.1.0", "203.0.113.7", 1, echoRequest())...))
	ip := header.IPv4(answer()[14:])
	message := header.ICMPv4(ip.Payload())
	if message.Ident() != 33 || message.Sequence() != 1 || checksum.Checksum(message, 0) != 0xffff {
		t.Errorf("the answer is %x", []byte(message))
	}
	if ip.SourceAddress().String() != "203.0.113.7" {
		t.Errorf("it is from %s", ip.SourceAddress())
	}
	m.net.cutAll("the test is over")
	<-done
}

func TestEchoesGoOutByIPv6(t *testing.T) {
	const guest, to = "fd62:616e:6765:7200::100", "2001:db8::7"
	m := boot(t, "default deny\nallow 2001:db8::7 icmp")
	done := make(chan struct{})
	m.net.ping = func(addr netip.Addr) (net.Conn, error) {
		if addr != netip.MustParseAddr(to) {
			t.Errorf("%s was pinged", addr)
		}
		ours, theirs := net.Pipe()
		go func() {
			defer close(done)
			answersEchoes(theirs)
		}()
		return ours, nil
	}
	answer := m.expect(t, func(frame []byte) bool { return frame[12] == 0x86 && frame[20] == 58 && frame[54] == 129 })
	for _, address := range []string{"2001:db8::8", to} { // the first is denied
		m.send(append(fromGuest(m.net.link, etherIPv6), packet6(guest, address, 58, echoRequest6(guest, address))...))
	}
	ip := header.IPv6(answer()[14:])
	message := header.ICMPv6(ip.Payload())
	source, target := ip.SourceAddress(), ip.DestinationAddress()
	if source.String() != to || target.String() != guest || message.Ident() != 33 || message.Sequence() != 1 || string(message.Payload()) != "data" {
		t.Errorf("the answer is from %s for %s: %x", source, target, []byte(message))
	}
	if sum := header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: message[:header.ICMPv6EchoMinimumSize], Src: source, Dst: target, PayloadCsum: checksum.Checksum(message.Payload(), 0), PayloadLen: 4,
	}); sum != message.Checksum() {
		t.Errorf("its checksum is %x, not %x", message.Checksum(), sum)
	}
	m.denial(t, "icmp", "2001:db8::8")
	m.net.cutAll("the test is over")
	<-done
}

// echoRequest6 is an ICMPv6 one, with some data.
func echoRequest6(from, to string) []byte {
	message := header.ICMPv6(append(make([]byte, header.ICMPv6EchoMinimumSize), "data"...))
	message.SetType(header.ICMPv6EchoRequest)
	message.SetIdent(33)
	message.SetSequence(1)
	message.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: message[:header.ICMPv6EchoMinimumSize], PayloadCsum: checksum.Checksum([]byte("data"), 0), PayloadLen: 4,
		Src: tcpip.AddrFromSlice(netip.MustParseAddr(from).AsSlice()), Dst: tcpip.AddrFromSlice(netip.MustParseAddr(to).AsSlice()),
	}))
	return message
}

func TestTheGatewayAnswersEchoes(t *testing.T) {
	m := boot(t, "none")
	answer := m.expect(t, func(frame []byte) bool { return frame[12] == 8 && frame[23] == 1 && frame[34] == 0 })
	m.send(append(fromGuest(m.net.link, etherIPv4), packet4("198.18.1.0", "198.18.0.1", 1, echoRequest())...))
	answer()
}

func TestAHostThatAllowsNoEchoesIsToldOf(t *testing.T) {
	m := boot(t, "all")
	m.net.ping = func(netip.Addr) (net.Conn, error) { return nil, fs.ErrPermission }
	m.send(append(fromGuest(m.net.link, etherIPv4), packet4("198.18.1.0", "203.0.113.7", 1, echoRequest())...))
	r := m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" && r.Protocol == "icmp" })
	if r.Reason == "" {
		t.Errorf("the record is %+v", r)
	}
}

// allowEchoes gives this goroutine, which keeps its thread for good, a network
// of its own where anybody may ping. Only root can.
func allowEchoes(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // without an end: the thread goes with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPingSocket(t *testing.T) {
	if os.Geteuid() == 0 {
		allowEchoes(t)
	}
	conn, err := dialPing(netip.MustParseAddr("127.0.0.1"))
	if errors.Is(err, fault.PermissionDenied) && os.Getenv("BANGER_TEST_REQUIRE") != "1" {
		t.Skip("net.ipv4.ping_group_range allows this user no echoes")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(echoRequest()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if read, err := conn.Read(buf); err != nil || read != len(echoRequest()) || buf[0] != 0 {
		t.Errorf("read %x, %v", buf[:read], err)
	}
}

func TestResolversAreReadAgainWhenTheyChange(t *testing.T) {
	path := t.TempDir() + "/resolv.conf"
	servers := hostResolvers(path)
	for _, c := range []struct{ text, want string }{
		{"", "127.0.0.1:53"},
		{"search x\nnameserver 192.0.2.1 # home\n", "192.0.2.1:53"},
		{"nameserver bad\nnameserver fe80::1%eth0\n", "[fe80::1%eth0]:53"},
	} {
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := servers(); len(got) != 1 || got[0].String() != c.want {
			t.Errorf("%q: %v", c.text, got)
		}
	}
}
