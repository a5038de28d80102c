package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lengthBytes = 4
	minFrame    = 14 // an Ethernet header
	// maxFrame is the longest frame, in bytes: header, a VLAN's tag, and the most that
	// an IPv4 packet has.
	maxFrame = minFrame + 4 + 65535
)

// Conn is a stream of the frames at a TAP device, each behind its length in four
// bytes, big-endian. A frame that the device's other side has no room for is lost; Write
// never waits for it. Read and Write may be called at once, each by one goroutine;
// Close at any time.
type Conn struct {
	file *os.File
	in   []byte // of a frame, what Read had no room for
	read []byte // the memory of in
	out  []byte // of a frame with its length, what Write has so far
}

// Open returns the frames of a descriptor that Create returned, which it owns from
// now on.
func Open(fd int) (*Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &Conn{file: os.NewFile(uintptr(fd), "tap")}, nil
}

// Read returns io.EOF once the Conn is closed.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.in) > 0 {
		n := copy(p, c.in)
		c.in = c.in[n:]
		return n, nil
	}
	if len(p) >= lengthBytes+maxFrame {
		return c.frame(p)
	}
	if c.read == nil {
		c.read = make([]byte, lengthBytes+maxFrame)
	}
	n, err := c.frame(c.read)
	if err != nil {
		return 0, err
	}
	took := copy(p, c.read[:n])
	c.in = c.read[took:n]
	return took, nil
}

func (c *Conn) frame(p []byte) (int, error) {
	n, err := c.file.Read(p[lengthBytes:])
	if errors.Is(err, os.ErrClosed) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	binary.BigEndian.PutUint32(p, uint32(n))
	return lengthBytes + n, nil
}

// Write takes a part of the stream, and sends the frames that it completes.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n, err := c.take(p)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// take takes what p has of one frame.
func (c *Conn) take(p []byte) (int, error) {
	if have := len(c.out); have < lengthBytes {
		n := min(len(p), lengthBytes-have)
		c.out = append(c.out, p[:n]...)
		return n, nil
	}
	size := binary.BigEndian.Uint32(c.out)
	if size < minFrame || size > maxFrame {
		return 0, fmt.Errorf("a frame of %d bytes", size)
	}
	n := min(len(p), lengthBytes+int(size)-len(c.out))
	if n == int(size) { // all of it is there
		c.out = c.out[:0]
		return n, c.send(p[:n])
	}
	c.out = append(c.out, p[:n]...)
	if len(c.out) < lengthBytes+int(size) {
		return n, nil
	}
	err := c.send(c.out[lengthBytes:])
	c.out = c.out[:0]
	return n, err
}

func (c *Conn) send(frame []byte) error {
	_, err := c.file.Write(frame)
	if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM) {
		return nil // the frame is lost, as in any network
	}
	return err
}

// Close ends Read and Write. It may be called again.
func (c *Conn) Close() error {
	err := c.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// LocalAddr is the name of the device.
func (c *Conn) LocalAddr() net.Addr { return addr(c.file.Name()) }

// RemoteAddr is the name of the device.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.file.Name()) }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.file.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.file.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }

type addr string

func (addr) Network() string  { return "tap" }
func (a addr) String() string { return string(a) }
