package gate_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/web/gate"
)

// fakeConn is a connection whose other end does nothing.
type fakeConn struct {
	net.Conn
	closed   bool
	deadline time.Time // of writes
	written  []time.Time
}

func (c *fakeConn) Close() error                       { c.closed = true; return nil }
func (c *fakeConn) SetDeadline(t time.Time) error      { c.deadline = t; return nil }
func (c *fakeConn) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }
func (c *fakeConn) Write(b []byte) (int, error) {
	c.written = append(c.written, c.deadline)
	return len(b), nil
}

// fakeListener accepts what it is given, and then is closed.
type fakeListener struct {
	net.Listener
	next []net.Conn
}

func (l *fakeListener) Accept() (net.Conn, error) {
	if len(l.next) == 0 {
		return nil, net.ErrClosed
	}
	c := l.next[0]
	l.next = l.next[1:]
	return c, nil
}

// accept has n connections come in, and returns those that did.
func accept(conns *gate.Conns, n int) (came []*fakeConn, in []net.Conn) {
	l := &fakeListener{}
	for range n {
		c := &fakeConn{}
		came, l.next = append(came, c), append(l.next, c)
	}
	door := conns.Of(l)
	for {
		c, err := door.Accept()
		if err != nil {
			return came, in
		}
		in = append(in, c)
	}
}

func ours(net.Conn) (bool, error) { return true, nil }

func closed(conns []*fakeConn) (n int) {
	for _, c := range conns {
		if c.closed {
			n++
		}
	}
	return n
}

func TestOnlyOwnProgramsConnect(t *testing.T) {
	for name, own := range map[string]gate.OwnPeer{
		"another user's": func(net.Conn) (bool, error) { return false, nil },
		"unknown":        func(net.Conn) (bool, error) { return true, errors.New("no netlink") },
	} {
		came, in := accept(gate.NewConns(own, slog.New(slog.DiscardHandler)), 3)
		if len(in) != 0 || closed(came) != 3 {
			t.Errorf("%s: %d of 3 came in, %d are closed", name, len(in), closed(came))
		}
	}
}

// Of connections that nobody was let in by there are few, and the newest stay.
func TestAnonymousConnectionsAreBounded(t *testing.T) {
	conns := gate.NewConns(ours, slog.New(slog.DiscardHandler))
	s := newSite(t)
	came, in := accept(conns, gate.MaxAnonymous)
	for _, c := range in { // what everybody gets lets nobody in
		s.get("/style", func(r *http.Request) { *r = *r.WithContext(gate.WithConn(r.Context(), c)) })
	}
	moreCame, moreIn := accept(conns, 5)
	came, in = append(came, moreCame...), append(in, moreIn...)
	if len(in) != len(came) || closed(came) != 5 || closed(came[:5]) != 5 {
		t.Errorf("%d came in, %d are closed, of the first five %d", len(in), closed(came), closed(came[:5]))
	}
	for _, c := range in {
		_ = c.Close()
		_ = c.Close() // as net/http may
	}
	if came, _ := accept(conns, gate.MaxAnonymous); closed(came) != 0 {
		t.Errorf("after they have gone %d are closed", closed(came))
	}
}

// Who was let in is not closed for whoever comes; and all are bounded.
func TestConnectionsOfSessionsAreBounded(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	conns := gate.NewConns(ours, slog.New(slog.DiscardHandler))
	signedIn := func(n int) (came []*fakeConn) {
		for range n {
			one, in := accept(conns, 1)
			if len(in) == 1 {
				s.get("/", func(r *http.Request) {
					*r = *r.WithContext(gate.WithConn(r.Context(), in[0]))
					r.AddCookie(cookie)
				})
			}
			came = append(came, one...)
		}
		return came
	}
	sessions := signedIn(gate.MaxConns)
	if closed(sessions) != 0 {
		t.Errorf("%d of %d connections of a session are closed", closed(sessions), gate.MaxConns)
	}
	if came, in := accept(conns, 40); len(in) != 0 || closed(came) != 40 || closed(sessions) != 0 {
		t.Errorf("more: %d came in, %d are closed, and %d of the session's", len(in), closed(came), closed(sessions))
	}
}

// Somebody who reads nothing is not waited for.
func TestWritesHaveADeadline(t *testing.T) {
	came, in := accept(gate.NewConns(ours, slog.New(slog.DiscardHandler)), 1)
	write := func() time.Time {
		if _, err := in[0].Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		return came[0].written[len(came[0].written)-1]
	}
	if write().IsZero() {
		t.Error("a write has no deadline")
	}
	own := time.Now().Add(time.Hour)
	if err := in[0].SetWriteDeadline(own); err != nil || !write().Equal(own) {
		t.Errorf("a deadline that was set is not kept: %v", err)
	}
	if err := in[0].SetDeadline(time.Time{}); err != nil || write().IsZero() || write().Equal(own) {
		t.Errorf("after it is taken away there is none: %v", err)
	}
}

// A request that no session sent ends its connection.
func TestWhoIsTurnedAwayIsGone(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	for name, c := range map[string]struct {
		edit func(*http.Request)
		path string
		want string
	}{
		"a rebound name":   {func(r *http.Request) { r.Host = "evil.example:7777" }, "/", "close"},
		"no session":       {nil, "/", "close"},
		"a link":           {nil, "/enter/x", "close"},
		"another method":   {func(r *http.Request) { r.Method = http.MethodDelete }, "/", "close"},
		"a service worker": {func(r *http.Request) { r.AddCookie(cookie); r.Header.Set("Service-Worker", "script") }, "/", "close"},
		"a session":        {func(r *http.Request) { r.AddCookie(cookie) }, "/", ""},
		"a style sheet":    {nil, "/style", ""},
	} {
		if got := s.get(c.path, c.edit).Header().Get("Connection"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What another program has left in a browser, while it had the console's port, goes away.
func TestTheBrowserForgets(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	secret, _, _ := s.book.Link()
	const all = `"cache", "storage"`
	for name, c := range map[string]struct {
		path   string
		edit   func(*http.Request)
		status int
		want   string
	}{
		"by a link":                         {"/enter/" + secret, nil, 200, all},
		"asked for a service worker":        {"/sw.js", func(r *http.Request) { r.AddCookie(cookie); r.Header.Set("Service-Worker", "script") }, 403, all},
		"asked for one, as Fetch says":      {"/style", func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "serviceworker") }, 403, all},
		"under a name of before":            {"/", func(r *http.Request) { r.Host = "0123456789abcdef.localhost:7777" }, 421, all},
		"but not of other servers' origins": {"/", func(r *http.Request) { r.Host = "localhost:7777" }, 421, ""},
		"nor of other addresses":            {"/", func(r *http.Request) { r.Host = "127.0.0.1:7777" }, 421, ""},
		"nor with each page":                {"/", func(r *http.Request) { r.AddCookie(cookie) }, 200, ""},
	} {
		got := s.get(c.path, c.edit)
		if got.Code != c.status || got.Header().Get("Clear-Site-Data") != c.want {
			t.Errorf("%s: %d, %q", name, got.Code, got.Header().Get("Clear-Site-Data"))
		}
	}
	if policy := s.get("/", nil).Header().Get("Content-Security-Policy"); !strings.Contains(policy, "worker-src 'none'") {
		t.Errorf("a page can have workers: %s", policy)
	}
}
