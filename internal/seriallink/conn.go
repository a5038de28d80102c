package seriallink

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/bangervm/banger/internal/stream"
)

// linger is how long a closed stream still takes what the peer had sent, so
// that the peer sees the end instead of a stuck write.
const linger = 30 * time.Second

// conn is one stream as a net.Conn with CloseWrite.
type conn struct {
	*yamux.Stream
	reading sync.Mutex
	closed  atomic.Bool
}

func newConn(s *yamux.Stream) *conn { return &conn{Stream: s} }

// Read is io.Reader; it fails with net.ErrClosed once Close was called.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.Stream.Read(p)
	if err != nil && c.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// Write is io.Writer. It cuts p into frames that leave the line to other streams.
func (c *conn) Write(p []byte) (int, error) {
	var done int
	for done < len(p) {
		n, err := c.Stream.Write(p[done:min(len(p), done+maxWrite)])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// CloseWrite ends this side's half of the stream: the peer reads end of file.
func (c *conn) CloseWrite() error { return c.Stream.Close() }

// Close ends the stream; blocked reads and writes return.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	err := c.Stream.Close()
	_ = c.SetReadDeadline(stream.Past())
	go func() {
		c.reading.Lock()
		defer c.reading.Unlock()
		_ = c.SetReadDeadline(time.Now().Add(linger))
		_, _ = io.Copy(io.Discard, c.Stream)
	}()
	return err
}
