package gate

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxConns bounds the connections to the console.
	MaxConns = 128
	// MaxAnonymous bounds those of which no request was let in yet.
	MaxAnonymous = 32
	// slowWrite is how long the other end may take to read each piece of what it is sent,
	// unless who sends it says otherwise.
	slowWrite = 10 * time.Second
)

// OwnPeer reports whether the other end of a connection is a program of the user whose
// console it is, or of root. The error says that it is not known.
type OwnPeer func(net.Conn) (bool, error)

// Conns are the connections to a console: of programs of its user only, and bounded. It is
// safe for concurrent use.
type Conns struct {
	own OwnPeer
	log *slog.Logger

	mu        sync.Mutex
	all       int
	anonymous []*conn // the oldest first
}

// NewConns returns those of no listener yet.
func NewConns(own OwnPeer, log *slog.Logger) *Conns { return &Conns{own: own, log: log} }

// Of returns a listener that accepts from l what may come in. Of too many connections that
// nobody was let in by the oldest is closed, so that they keep nobody out.
func (c *Conns) Of(l net.Listener) net.Listener { return &door{Listener: l, conns: c} }

type door struct {
	net.Listener
	conns *Conns
}

// Accept is part of net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		got, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in := d.conns.admit(got); in != nil {
			return in, nil
		}
		_ = got.Close()
	}
}

// admit counts a connection in; nil: it may not come in.
func (c *Conns) admit(got net.Conn) net.Conn {
	ours, err := c.own(got)
	switch {
	case err != nil:
		c.log.Warn("the web console refuses a connection, since it cannot find out which user it is of", "error", err)
		return nil
	case !ours:
		c.log.Warn("the web console refuses a connection of another user of this host")
		return nil
	}
	in := &conn{Conn: got, conns: c}
	c.mu.Lock()
	full := c.all >= MaxConns
	var oldest *conn
	if len(c.anonymous) > 0 && (full || len(c.anonymous) >= MaxAnonymous) {
		oldest, full = c.anonymous[0], false
		c.anonymous = c.anonymous[1:]
		oldest.known = true
	}
	if !full {
		c.all++
		c.anonymous = append(c.anonymous, in)
	}
	c.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	if full {
		return nil
	}
	return in
}

// forgets removes a connection from those of nobody.
func (c *Conns) forgets(in *conn) {
	if in.known {
		return
	}
	in.known = true
	for i, a := range c.anonymous {
		if a == in {
			c.anonymous = append(c.anonymous[:i:i], c.anonymous[i+1:]...)
			return
		}
	}
}

// conn is a connection that was accepted.
type conn struct {
	net.Conn
	conns *Conns
	known bool // under conns.mu: it is not among the anonymous ones
	timed atomic.Bool
	once  sync.Once
}

// Close is part of net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.conns.mu.Lock()
		defer c.conns.mu.Unlock()
		c.conns.forgets(c)
		c.conns.all--
	})
	return c.Conn.Close()
}

// CloseWrite has the other end read what it was sent before the connection is closed.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SetDeadline is part of net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline is part of net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// Write is part of net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if !c.timed.Load() {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(slowWrite)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

type connKey struct{}

// WithConn is http.Server's ConnContext.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// letIn tells that a request's connection is one of a session.
func letIn(r *http.Request) {
	if in, ok := r.Context().Value(connKey{}).(*conn); ok {
		in.conns.mu.Lock()
		defer in.conns.mu.Unlock()
		in.conns.forgets(in)
	}
}
