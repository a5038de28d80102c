package dns_test

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/dns"
)

// The same over real sockets, as in use.
func TestAnswerOverLoopback(t *testing.T) {
	u := &upstream{respond: func(network string, q dnsmessage.Message) [][]byte {
		m := response(q, address("a.example.org.", 60, "203.0.113.5"))
		if network == "udp" {
			m.Truncated, m.Answers = true, nil
		}
		return [][]byte{pack(m)}
	}}
	stream, datagrams := listen(t)
	go func() {
		buffer := make([]byte, 4096)
		n, from, err := datagrams.ReadFrom(buffer)
		if err != nil {
			return
		}
		for _, p := range u.take("udp", "", buffer[:n]) {
			_, _ = datagrams.WriteTo(p, from)
		}
	}()
	go func() {
		conn, err := stream.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		buffer := make([]byte, 4096)
		n, _ := conn.Read(buffer)
		for _, p := range u.take("tcp", "", buffer[:n]) {
			_, _ = conn.Write(p)
		}
	}()
	p, err := egress.Parse(strict)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{Server: dns.New(dns.Config{
		Policy: func() egress.Policy { return p },
		Upstreams: func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort(datagrams.LocalAddr().String())}
		},
	})}
	if got := records(f.ask(t, "a.example.org.", dnsmessage.TypeA)); got != "a.example.org. 203.0.113.5 60" {
		t.Errorf("the answer is %q", got)
	}
	wantNames(t, &f, "203.0.113.5", "a.example.org")
}

// listen opens one port of the loopback for TCP and UDP, until the test ends.
func listen(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	var last error
	for range 20 {
		stream, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		datagrams, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", stream.Addr().String())
		if err == nil {
			t.Cleanup(func() { _, _ = stream.Close(), datagrams.Close() })
			return stream, datagrams
		}
		last = err
		_ = stream.Close()
	}
	t.Fatal(last)
	return nil, nil
}
