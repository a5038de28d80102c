package netstack

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/bangervm/banger/internal/egress"
)

// BenchmarkOut is what a guest sends through the network to a server on the
// loopback, with the policy off (all) and on (by name, first bytes looked at).
func BenchmarkOut(b *testing.B) {
	for _, c := range []struct{ name, policy string }{
		{"off", "default allow\nallow host"},
		{"on", "default deny\nallow a.example\nallow *.b.example\nallow 10.0.0.0/8\nallow host"},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkOut(b, c.policy) })
	}
}

func benchmarkOut(b *testing.B, policy string) {
	p, err := egress.Parse(policy)
	if err != nil {
		b.Fatal(err)
	}
	m := benchMachine(b, p)
	done := make(chan int64)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- 0
			return
		}
		read, _ := io.Copy(io.Discard, conn)
		_ = conn.Close()
		done <- read
	}()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	conn, err := gonet.DialTCPWithBind(b.Context(), m.stack, fullAddress(m.addr4, 0),
		fullAddress(netip.MustParseAddr("198.18.0.2"), port), networkOf(m.addr4))
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 1<<20)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if _, err := conn.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.Close()
	<-done
}
