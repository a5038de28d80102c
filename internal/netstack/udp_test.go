package netstack

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
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

// A flow of datagrams lasts two minutes of quiet, and five once it was answered.
func TestHowLongDatagramsMayBeQuiet(t *testing.T) {
	for _, c := range []struct {
		answered bool
		quiet    time.Duration
		lasts    bool
	}{
		{false, udpIdle - time.Second, true},
		{false, udpIdle, false},
		{true, udpIdle + time.Second, true},
		{true, udpBothIdle - time.Second, true},
		{true, udpBothIdle, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := &Network{}
			d := &datagramFlow{
				flow:    &flow{n: n, protocol: protocolUDP, asked: netip.MustParseAddrPort(outside4), ctx: ctx},
				waiting: make(chan []byte, maxWaiting), began: time.Now(),
			}
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				d.send(ours, nil)
			}()
			for range 3 { // at any phase of whatever looks
				d.waiting <- []byte("x")
				if c.answered {
					d.received.Add(1)
				}
				synctest.Wait()
				time.Sleep(c.quiet - 7*time.Second) //nolint:forbidigo // the bubble's clock
			}
			time.Sleep(7 * time.Second) //nolint:forbidigo // likewise
			synctest.Wait()
			select {
			case <-ended:
				if c.lasts {
					t.Errorf("answered %v: it ended after %s", c.answered, c.quiet)
				}
			default:
				if !c.lasts {
					t.Errorf("answered %v: it lasts after %s", c.answered, c.quiet)
				}
			}
			cancel()
			<-ended
			_, _ = ours.Close(), theirs.Close()
		})
	}
}

// Flows of datagrams beyond the bound take the place of those that are quiet.
func TestTheQuietestDatagramsGiveWay(t *testing.T) {
	m := boot(t, "all")
	m.world.lead("udp", outside4, listenUDP(t, "127.0.0.1:0", ""))
	first := m.dialUDP(t, outside4)
	for i := range limits[protocolUDP] + 20 {
		conn := first
		if i > 0 {
			conn = m.dialUDP(t, outside4)
		}
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 9)); err != nil {
			t.Fatalf("flow %d: %v", i, err)
		}
		if i > 0 {
			_ = conn.Close()
		}
	}
	if flows := m.net.Counters().Flows; flows > limits[protocolUDP]+64 {
		t.Errorf("%d flows are open", flows)
	}
	m.world.record(t, func(r monitorrpc.Record) bool { return r.Reason == "newer ones took its place" })
}

// A card that is attached again may begin a flow that the one before has not ended
// yet: the earlier's end leaves the later one.
func TestTwoFlowsOfOneKey(t *testing.T) {
	m := boot(t, "all")
	key := datagramKey{protocolUDP, 7, netip.MustParseAddrPort(outside4)}
	flows := make([]*datagramFlow, 2)
	for i := range flows {
		flows[i] = &datagramFlow{flow: m.net.begin(protocolUDP, 7, key.to), waiting: make(chan []byte, 1)}
		m.net.mu.Lock()
		m.net.datagrams[key] = flows[i]
		m.net.mu.Unlock()
	}
	flows[0].leave(key, "")
	m.net.mu.Lock()
	left := m.net.datagrams[key]
	m.net.mu.Unlock()
	if left != flows[1] {
		t.Error("the later flow was forgotten")
	}
	flows[1].leave(key, "")
}
