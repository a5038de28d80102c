package netstack

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// Each request of a connection must be for a host that is allowed: servers of many
// hosts, as a CDN's, answer each by its own.
func TestTheHostOfALaterRequest(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 5\r\n\r\nhello"
	const chunks = "PUT / HTTP/1.1\r\nHost: allowed.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	good, bad := request("allowed.example"), request("other.example")
	for name, c := range map[string]struct {
		first, then string
		passes      bool
	}{
		"the same host":              {good, good, true},
		"another":                    {good, bad, false},
		"another, at once":           {good + good, good + bad, false},
		"another behind a body":      {post, bad, false},
		"the same behind a body":     {post, post + good, true},
		"another behind chunks":      {chunks, bad, false},
		"the same behind chunks":     {chunks, chunks + post, true},
		"behind an upgrade":          {"GET / HTTP/1.1\r\nHost: allowed.example\r\nUpgrade: websocket\r\n\r\n", bad, false},
		"a WebSocket":                {"GET / HTTP/1.1\r\nHost: allowed.example\r\nUpgrade: websocket\r\n\r\n", "\x81\x85\x01\x02\x03\x04hello", true},
		"what is no request":         {good, "hello there\r\n", false},
		"TLS, which is none":         {good, "\x16\x03\x01\x00\x05hello", false},
		"a body that looks like one": {"POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 100\r\n\r\n", bad, false},
		"a body":                     {"POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 100\r\n\r\n", `{"x": "y"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
			m := boot(t, "default deny\nallow allowed.example", asks)
			m.atOutside(t, echoAll)
			m.ask(t, "allowed.example", dnsmessage.TypeA)
			conn := m.mustDial(t, outside4)
			passesBack(t, conn, c.first)
			_, _ = io.WriteString(conn, c.then)
			back := make([]byte, len(c.then))
			_, err := io.ReadFull(conn, back)
			if passed := err == nil && string(back) == c.then; passed != c.passes {
				t.Errorf("passed %v, %v", passed, err)
			}
			if !c.passes {
				if errors.Is(err, io.EOF) {
					t.Error("the connection ended in good order")
				}
				m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "deny" && r.Reason != "" })
			}
		})
	}
}

// A request that never ends is cut, and one that takes its time among others is not.
func TestALaterRequestThatNeverEnds(t *testing.T) {
	_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
	m := boot(t, "default deny\nallow allowed.example", asks)
	m.net.lookTime = 50 * time.Millisecond
	m.atOutside(t, echoAll)
	m.ask(t, "allowed.example", dnsmessage.TypeA)
	conn := m.mustDial(t, outside4)
	passesBack(t, conn, request("allowed.example"))
	_, _ = io.WriteString(conn, "GET / HTT")
	if read, err := conn.Read(make([]byte, 1)); read > 0 || errors.Is(err, io.EOF) {
		t.Errorf("%d bytes came back, %v", read, err)
	}
}
