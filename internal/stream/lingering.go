package stream

import (
	"net"
	"sync/atomic"
	"time"
)

// Lingering is a connection of which, from Linger on, something must be read at
// least once a limit: its reader's own peer has ended its half, or is gone, and the
// two look the same.
type Lingering struct {
	net.Conn
	limit time.Duration
	begun atomic.Bool
}

// NewLingering is conn, on which reads have no deadline until Linger.
func NewLingering(conn net.Conn, limit time.Duration) *Lingering {
	return &Lingering{Conn: conn, limit: limit}
}

// Linger begins the limit, for a read that waits already too.
func (l *Lingering) Linger() {
	l.begun.Store(true)
	_ = l.SetReadDeadline(time.Now().Add(l.limit)) // closed meanwhile is as well
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
