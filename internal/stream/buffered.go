package stream

import (
	"bufio"
	"bytes"
	"net"
)

// Buffered is conn from where its reader r stands: what r has buffered is read first.
// Do not use r afterwards.
func Buffered(conn net.Conn, r *bufio.Reader) net.Conn {
	held, _ := r.Peek(r.Buffered()) // it has them: no error
	if len(held) == 0 {
		return conn
	}
	return &buffered{Conn: conn, held: bytes.Clone(held)}
}

type buffered struct {
	net.Conn
	held []byte // was read before
}

func (b *buffered) Read(p []byte) (int, error) {
	if len(b.held) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.held)
	if b.held = b.held[n:]; len(b.held) == 0 {
		b.held = nil // frees it: the connection may live on for days
	}
	return n, nil
}

// CloseWrite ends this side's half of the connection.
func (b *buffered) CloseWrite() error { return CloseWrite(b.Conn) }
