package agentrpc

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
)

// Datagrams are datagrams over a stream, each behind its length in two bytes,
// big-endian: as DialProtocol has them, and neighbours' monitors among each other.
// Reads and writes may be concurrent.
type Datagrams struct {
	net.Conn
	from             io.Reader
	reading, writing sync.Mutex
}

// NewDatagrams writes to conn, and reads it through from: conn itself, or what
// holds bytes of it that were read already.
func NewDatagrams(conn net.Conn, from io.Reader) *Datagrams {
	return &Datagrams{Conn: conn, from: from}
}

// Read reads one datagram; what does not fit is dropped, as by recv(2). A
// deadline that passes within one closes the connection.
func (d *Datagrams) Read(p []byte) (int, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	var head [2]byte
	if n, err := io.ReadFull(d.from, head[:]); err != nil {
		if n > 0 {
			_ = d.Close()
		}
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	n, err := io.ReadFull(d.from, p[:min(size, len(p))])
	if err == nil && n < size {
		_, err = io.CopyN(io.Discard, d.from, int64(size-n))
	}
	if err != nil {
		_ = d.Close()
	}
	return n, err
}

// Write sends one datagram, of at most 65535 bytes.
func (d *Datagrams) Write(p []byte) (int, error) {
	if len(p) > math.MaxUint16 {
		return 0, fmt.Errorf("a datagram of %d bytes", len(p))
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	frame := append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(p)), uint16(len(p))), p...)
	if _, err := d.Conn.Write(frame); err != nil {
		return 0, err
	}
	return len(p), nil
}
