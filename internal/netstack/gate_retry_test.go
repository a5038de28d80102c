package netstack

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack/sniff"
	"github.com/bangervm/banger/internal/stream"
)

// firstFlight is what Go's client says first for a name.
func firstFlight(t *testing.T, name string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(theirs, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
	}()
	buf := make([]byte, 4096)
	read, err := ours.Read(buf)
	_, _ = ours.Close(), theirs.Close()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return buf[:read]
}

// A server may ask for a second ClientHello, and take the name from it: no byte of
// one for another host reaches it.
func TestTheNameOfASecondClientHello(t *testing.T) {
	first := firstFlight(t, "allowed.example")
	for name, passes := range map[string]bool{"allowed.example": true, "other.example": false} {
		second := firstFlight(t, name)
		_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
		m := boot(t, "default deny\nallow allowed.example", asks)
		got := make(chan []byte, 1)
		m.atOutside(t, func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, len(first)))
			_, _ = conn.Write([]byte("\x16\x03\x03\x00\x01\x02")) // asks for another
			rest := make([]byte, len(second))
			read, _ := io.ReadFull(conn, rest)
			got <- rest[:read]
		})
		m.ask(t, "allowed.example", dnsmessage.TypeA)
		conn := m.mustDial(t, outside4)
		_, _ = conn.Write(first)
		_, _ = io.ReadFull(conn, make([]byte, 6))
		_, _ = conn.Write(second)
		if rest := <-got; bytes.Equal(rest, second) != passes || !passes && len(rest) > 0 {
			t.Errorf("%s: %d bytes of the second reached the server", name, len(rest))
		}
		if !passes {
			m.world.record(t, func(r monitorrpc.Record) bool {
				return r.Event == "deny" && r.Reason == "the connection is for other.example"
			})
		}
	}
}

// A client that does not wait for its server's greeting is held until it comes.
func TestAClientThatDoesNotWaitForTheGreeting(t *testing.T) {
	_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
	m := boot(t, "default deny\nallow allowed.example", asks)
	greet := make(chan struct{})
	m.atOutside(t, func(conn net.Conn) {
		<-greet
		_, _ = io.WriteString(conn, "220 ready\r\n")
		_, _ = io.Copy(conn, conn)
	})
	m.ask(t, "allowed.example", dnsmessage.TypeA)
	conn := m.mustDial(t, outside4)
	_, _ = io.WriteString(conn, "NICK me\r\n")
	close(greet)
	want := "220 ready\r\nNICK me\r\n"
	back := make([]byte, len(want))
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != want {
		t.Errorf("got %q, %v", back, err)
	}
}

// What all connections together hold back is bounded.
func TestWhatIsHeldBackIsBounded(t *testing.T) {
	m := boot(t, "default deny\nallow 203.0.113.7")
	f := &flow{n: m.net}
	full := 0
	var all []*hearing
	for {
		h := &hearing{f: f, prefix: make([]byte, 0, stream.SmallBuffer)}
		all = append(all, h)
		for cap(h.prefix) < sniff.MaxPrefix && h.grow() {
			h.prefix = h.prefix[:cap(h.prefix)]
		}
		if cap(h.prefix) < sniff.MaxPrefix {
			break
		}
		full++
	}
	if held := m.net.held.Load(); held > maxHeld || full < maxHeld/sniff.MaxPrefix {
		t.Errorf("%d bytes are held of %d connections", held, full)
	}
	for _, h := range all {
		h.drop()
	}
	if held := m.net.held.Load(); held != 0 {
		t.Errorf("%d bytes are not given back", held)
	}
}

// drip is a guest that says a byte at a time, without end.
type drip struct{ said int }

func (d *drip) Read(p []byte) (int, error) {
	d.said++
	p[0] = 'x'
	return 1, nil
}

func (*drip) SetReadDeadline(time.Time) error { return nil }

// A destination that is told in very many pieces is not told: each is looked at
// with all before it.
func TestTooManyPieces(t *testing.T) {
	m := boot(t, "default deny\nallow 203.0.113.7")
	guest := &drip{}
	f := m.net.begin(protocolTCP, 4000, netip.MustParseAddrPort(outside4))
	h := &hearing{f: f, guest: guest, prefix: make([]byte, 0, stream.SmallBuffer)}
	if _, err := h.first(); err == nil || guest.said != maxLooks {
		t.Errorf("after %d pieces: %v", guest.said, err)
	}
	f.end("")
}
