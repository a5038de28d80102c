package stream

import (
	"net"
	"sync/atomic"
	"time"
)

// Lingering is a connection whose reads have a deadline once Linger is called: each
// must return something within the limit. Its reader's own peer has then ended its
// half, or is gone; the two look the same.
type Lingering struct {
	net.Conn
	limit time.Duration
	begun atomic.Bool
}

// NewLingering is conn, on which reads have no deadline until Linger.
func NewLingering(conn net.Conn, limit time.Duration) *Lingering {
	return &Lingering{Conn: conn, limit: limit}
}

// Linger sets the limit, also for a read that is already waiting.
func (l *Lingering) Linger() {
	l.begun.Store(true)
	_ = l.SetReadDeadline(time.Now().Add(l.limit)) // an error means that it is closed: nothing waits
}

// Read fails with os.ErrDeadlineExceeded when nothing came in time.
func (l *Lingering) Read(p []byte) (int, error) {
	if l.begun.Load() {
		if err := l.SetReadDeadline(time.Now().Add(l.limit)); err != nil {
			return 0, err
		}
	}
	return l.Conn.Read(p)
}

// CloseWrite ends this side's half of the connection.
func (l *Lingering) CloseWrite() error { return CloseWrite(l.Conn) }
