package netstack

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// listenUDP sends datagrams back until the test's end, each behind a mark.
func listenUDP(t *testing.T, address, mark string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", address) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			read, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(append([]byte(mark), buf[:read]...), from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

func TestDatagramsPassAndDeniedOnesAreUnreachable(t *testing.T) {
	var asked []string
	m := boot(t, "default deny\nallow 203.0.113.7\nallow 2001:db8::7", func(c *Config) {
		c.Owner = nil
		c.Now = func() time.Time { return time.Unix(1, 0) }
	})
	m.world.lead("udp", outside4, listenUDP(t, "127.0.0.1:0", "four:"))
	m.world.lead("udp", outside6, listenUDP(t, "[::1]:0", "six:"))
	for to, mark := range map[string]string{outside4: "four:", outside6: "six:"} {
		conn := m.dialUDP(t, to)
		for _, text := range []string{"hello", strings.Repeat("long", 10000)} { // the other is fragments at most hosts
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 64<<10)
			read, err := conn.Read(buf)
			if err != nil || string(buf[:read]) != mark+text {
				t.Errorf("%s: read %d bytes, %v", to, read, err)
			}
		}
		asked = append(asked, "udp "+to)
	}
	for _, to := range []string{"203.0.113.8:53", "[2001:db8::8]:443", "198.18.0.1:54"} {
		unreachable := m.expect(t, isUnreachable)
		_, _ = m.dialUDP(t, to).Write([]byte("x"))
		unreachable()
	}
	if got := m.world.dialled(); len(got) != len(asked) {
		t.Errorf("dialled %v", got)
	}
	r := m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "deny" && r.Port == 53 })
	if r.Protocol != "udp" || r.Rule != "default deny" || r.At.Unix() != 1 {
		t.Errorf("the record is %+v", r)
	}
}

// isUnreachable reports whether a frame is "port unreachable" of either family.
func isUnreachable(frame []byte) bool {
	body := frame[14:]
	switch body[0] >> 4 {
	case 4:
		return body[9] == 1 && body[20] == 3 && body[21] == 3
	case 6:
		return body[6] == 58 && body[40] == 1 && body[41] == 4
	}
	return false
}

// What comes as its flow leaves does not count as waiting for ever.
func TestDatagramsThatComeAsTheirFlowLeaves(t *testing.T) {
	m := boot(t, "all") // nobody is there: each flow ends at once
	key := datagramKey{protocolUDP, 7, netip.MustParseAddrPort(outside4)}
	for range 100_000 {
		m.net.forward(key, []byte("x"))
	}
	if err := m.net.Close(); err != nil {
		t.Fatal(err)
	}
	if waiting := m.net.waiting.Load(); waiting != 0 {
		t.Errorf("%d bytes are waiting", waiting)
	}
}
