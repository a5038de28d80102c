package agentrpc

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxFrame is the most that a frame of a Framed holds, in bytes.
const maxFrame = 64 << 10

// keptFrame is up to how large a buffer an idle Framed keeps, in bytes.
const keptFrame = 4 << 10

// Framed is a stream of bytes with two ends over one that has one, as
// FramedDialProtocol has it. A peer that goes without an end of its own is
// io.ErrUnexpectedEOF. One goroutine may read while others write.
type Framed struct {
	net.Conn

	head  [4]byte
	got   int    // bytes of head that were read
	left  uint32 // bytes of the frame that were not
	ended bool   // by the peer

	writing sync.Mutex
	frame   []byte
	closed  bool // our half
}

// NewFramed makes a Framed of conn, and owns it.
func NewFramed(conn net.Conn) *Framed { return &Framed{Conn: conn} }

// Read implements net.Conn. A deadline may pass anywhere.
func (f *Framed) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.Conn.Read(p[:min(len(p), int(f.left))])
	f.left -= uint32(n)
	if n > 0 {
		return n, nil
	}
	return 0, unexpected(err)
}

// next reads the head of the next frame.
func (f *Framed) next() error {
	for !f.ended && f.got < len(f.head) {
		n, err := f.Conn.Read(f.head[f.got:])
		if f.got += n; err != nil && f.got < len(f.head) {
			return unexpected(err)
		}
	}
	if f.ended {
		return io.EOF
	}
	f.got, f.left = 0, binary.BigEndian.Uint32(f.head[:])
	switch {
	case f.left == 0:
		f.ended = true
		return io.EOF
	case f.left > maxFrame:
		err := fmt.Errorf("a frame of %d bytes", f.left)
		f.left = 0
		_ = f.Close()
		return err
	}
	return nil
}

// Write implements net.Conn. After an error the stream is of no use.
func (f *Framed) Write(p []byte) (wrote int, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.closed {
		return 0, net.ErrClosed
	}
	for wrote < len(p) {
		part := p[wrote:min(len(p), wrote+maxFrame)]
		f.frame = append(binary.BigEndian.AppendUint32(f.frame[:0], uint32(len(part))), part...)
		if _, err := f.Conn.Write(f.frame); err != nil {
			return wrote, err
		}
		wrote += len(part)
	}
	if cap(f.frame) > keptFrame {
		f.frame = nil
	}
	return wrote, nil
}

// CloseWrite tells the peer that nothing more comes.
func (f *Framed) CloseWrite() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	_, err := f.Conn.Write(make([]byte, len(f.head)))
	return err
}
