package netstack

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

// hello has a TLS client say which host it is for.
func hello(name string) func(conn net.Conn) {
	return func(conn net.Conn) {
		config := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: name == ""} //nolint:gosec // no server is there
		_ = tls.Client(conn, config).Handshake()                                                              //nolint:noctx // the connection has a deadline
	}
}

func says(text string) func(conn net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

func saysAndEnds(text string) func(conn net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}
}

// inVersion2 has the client's first record be one of version 2.
func inVersion2(client func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) { client(&oldRecord{Conn: conn}) }
}

type oldRecord struct {
	net.Conn
	begun bool
}

func (c *oldRecord) Write(p []byte) (int, error) {
	if p = bytes.Clone(p); !c.begun && len(p) > 1 {
		p[1], c.begun = 2, true
	}
	return c.Conn.Write(p)
}

// inPieces writes a byte at a time, each a segment.
func inPieces(text string) func(conn net.Conn) {
	return func(conn net.Conn) {
		for i := range len(text) {
			_, _ = conn.Write([]byte(text[i : i+1]))
		}
	}
}

// What a connection says of its destination must agree with why it was allowed; if
// not, no byte of it reaches the server.
func TestWhatAConnectionSaysOfItsDestination(t *testing.T) {
	const byName, allButOne = "default deny\nallow allowed.example", "default allow\ndeny denied.example"
	for name, c := range map[string]struct {
		policy string
		client func(net.Conn)
		passes bool
	}{
		"SNI of the name":                        {byName, hello("allowed.example"), true},
		"SNI of another":                         {byName, hello("other.example"), false},
		"no SNI":                                 {byName, hello(""), false},
		"SNI that is denied":                     {allButOne, hello("denied.example"), false},
		"SNI that is not denied":                 {allButOne, hello("other.example"), true},
		"no SNI, by the default":                 {allButOne, hello(""), true},
		"an unsound request":                     {allButOne, says("POST / RTSP/1.0\r\nHost: denied.example\r\n\r\n"), false},
		"a target that is denied":                {allButOne, says("GET http://denied.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"), false},
		"a Host that is denied, behind a target": {allButOne, says("GET http://good.example/ HTTP/1.1\r\nHost: denied.example\r\n\r\n"), false},
		"a hello in an old version":              {byName, inVersion2(hello("allowed.example")), false},
		"Host of the name":                       {byName, says("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n"), true},
		"Host in pieces":                         {byName, inPieces("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n"), true},
		"Host of another":                        {byName, says("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"), false},
		"Host of another in pieces":              {byName, inPieces("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"), false},
		"two Hosts":                              {byName, says("GET / HTTP/1.1\r\nHost: allowed.example\r\nHost: other.example\r\n\r\n"), false},
		"a target that is another":               {byName, says("GET http://other.example/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n"), false},
		"no Host":                                {byName, says("GET / HTTP/1.0\r\n\r\n"), false},
		"Host that is denied":                    {allButOne, says("GET / HTTP/1.1\r\nHost: denied.example\r\n\r\n"), false},
		"another protocol":                       {byName, says("SSH-2.0-OpenSSH_10.0\r\n"), true},
		"an unknown one":                         {byName, says("PING\r\n"), false},
		"an unknown one, by default":             {allButOne, says("PING\r\n"), true},
		"a word, and the end":                    {byName, saysAndEnds("hello"), false},
		"half a request":                         {byName, saysAndEnds("GET / HTTP/1.0"), false},
		"half a ClientHello":                     {byName, saysAndEnds("\x16\x03\x01\x02\x00\x01"), false},
		"a long target":                          {byName, says("GET /" + strings.Repeat("x", sniff.MaxPrefix) + " HTTP/1.1\r\nHost: other.example\r\n\r\n"), false},
		"a long method":                          {byName, says(strings.Repeat("X", 99) + " / HTTP/1.1\r\nHost: other.example\r\n\r\n"), false},
		"a warning, then the hello":              {byName, func(conn net.Conn) { says("\x15\x03\x01\x00\x02\x01\x5a")(conn); hello("other.example")(conn) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
			m := boot(t, c.policy, asks)
			m.net.lookTime = time.Second // no server here speaks first
			got := make(chan int, 1)
			m.atOutside(t, func(conn net.Conn) {
				read, _ := conn.Read(make([]byte, 1))
				got <- read
			})
			m.ask(t, "allowed.example", dnsmessage.TypeA)
			c.client(m.mustDial(t, outside4))
			if passed := <-got == 1; passed != c.passes {
				t.Errorf("a byte reached the server: %v", passed)
			}
			if !c.passes {
				m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "deny" && r.Reason != "" })
				m.world.record(t, func(r monitorrpc.Record) bool {
					return r.Event == "close" && strings.HasPrefix(r.Reason, "denied: ") && r.Sent == 0
				})
			}
		})
	}
}

// The log tells as what an address was asked for, and what the connection named,
// also where no rule needs to know.
func TestTheLogTellsWhatWasSaidAndAsked(t *testing.T) {
	for what, c := range map[string]struct{ policy, said string }{
		"not needed": {"all", "other.example"}, "needed": {"default allow\ndeny denied.example", "other.example"},
	} {
		t.Run(what, func(t *testing.T) {
			_, asks := withUpstream(t, map[string][]string{"a.example": {"203.0.113.7"}, "b.example": {"203.0.113.7"}})
			m := boot(t, c.policy, asks)
			m.atOutside(t, echoAll)
			m.ask(t, "a.example", dnsmessage.TypeA)
			m.ask(t, "b.example", dnsmessage.TypeA)
			if err := echoed(m, outside4, request(c.said)); err != nil {
				t.Fatal(err)
			}
			r := m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" })
			if r.Said != c.said || r.Asked != "b.example a.example" || r.Name != "" {
				t.Errorf("the record is %+v", r)
			}
		})
	}
}

// A server that speaks first is heard before the client says anything, and the
// client's first words are looked at all the same.
func TestAServerThatSpeaksFirst(t *testing.T) {
	_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
	m := boot(t, "default deny\nallow allowed.example", asks)
	m.atOutside(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 ready\r\n")
		_, _ = io.Copy(conn, conn)
	})
	m.ask(t, "allowed.example", dnsmessage.TypeA)
	for _, c := range []struct {
		text   string
		passes bool
	}{{"EHLO me\r\n", true}, {"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", false}} {
		conn := m.mustDial(t, outside4)
		banner := make([]byte, len("220 ready\r\n"))
		if _, err := io.ReadFull(conn, banner); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, c.text)
		back := make([]byte, len(c.text))
		_, err := io.ReadFull(conn, back)
		if passed := err == nil && string(back) == c.text; passed != c.passes {
			t.Errorf("%q: passed %v, %v", c.text, passed, err)
		}
		if !c.passes && errors.Is(err, io.EOF) {
			t.Error("the connection ended in good order")
		}
	}
}

// A flow that began when nobody had to know its host is cut when that changes; one
// that was looked at, or that will be, goes on.
func TestAPolicyThatAsksForTheHostCutsWhatWasNotLookedAt(t *testing.T) {
	for name, c := range map[string]struct {
		before, after, first string
		passes               bool
	}{
		"not looked at, now by name":     {"all", "default deny\nallow allowed.example", "", false},
		"not looked at, now a denied":    {"all", "default allow\ndeny denied.example", "", false},
		"not looked at, nobody asks":     {"all", "default deny\nallow 203.0.113.7", "", true},
		"looked at, another protocol":    {"default allow\ndeny denied.example", "default deny\nallow allowed.example", "SSH-2.0-x\r\n", true},
		"looked at, an unknown protocol": {"default allow\ndeny denied.example", "default deny\nallow allowed.example", "PING\r\n", false},
		"looked at, the name":            {"default allow\ndeny denied.example", "default deny\nallow allowed.example", "POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 9\r\n\r\n", true},
		"looked at, a name denied now":   {"default allow\ndeny denied.example", "default allow\ndeny allowed.example", request("allowed.example"), false},
		"looked at, of another rule now": {"default allow\ndeny denied.example", "default deny\nallow allowed.example\nallow other.example", request("other.example"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
			m := boot(t, c.before, asks)
			m.net.lookTime = time.Second
			m.atOutside(t, echoAll)
			m.ask(t, "allowed.example", dnsmessage.TypeA)
			conn := m.mustDial(t, outside4)
			passesBack(t, conn, cmp.Or(c.first, "x"))
			m.net.SetPolicy(parsed(t, c.after))
			_, _ = io.WriteString(conn, "y")
			if read, _ := conn.Read(make([]byte, 1)); (read == 1) != c.passes {
				t.Errorf("it goes on: %v", read == 1)
			}
		})
	}
}

// What comes first after the policy was changed is looked at by the new one.
func TestAPolicyThatChangesBeforeTheFirstBytes(t *testing.T) {
	_, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7"}})
	m := boot(t, "default allow\ndeny denied.example", asks)
	m.atOutside(t, echoAll)
	m.ask(t, "allowed.example", dnsmessage.TypeA)
	conn := m.mustDial(t, outside4)
	m.net.SetPolicy(parsed(t, "default deny\nallow allowed.example\nallow other.example"))
	_, _ = io.WriteString(conn, request("other.example"))
	if read, _ := conn.Read(make([]byte, 1)); read > 0 {
		t.Error("it reached another name's server")
	}
}

func request(host string) string { return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }

func passesBack(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	back := make([]byte, len(text))
	_, _ = io.WriteString(conn, text)
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != text {
		t.Fatalf("got %q, %v", back, err)
	}
}
