// Package rtnetlink configures network interfaces of this thread's network namespace
// by the kernel's protocol: see rtnetlink(7).
package rtnetlink

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The kernel answers at once; a wait means that something is wrong.
const answerSeconds = 5

// Conn is a conversation with the kernel. It is for one goroutine.
type Conn struct {
	fd    int // NETLINK_ROUTE
	ioctl int // any internet socket
	seq   uint32
}

// Dial begins a conversation. The caller closes it.
func Dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("talk to the kernel by netlink: %w", err)
	}
	c := &Conn{fd: fd, ioctl: -1}
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerSeconds})
	if err == nil {
		c.ioctl, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("talk to the kernel by netlink: %w", err)
	}
	return c, nil
}

// Close ends the conversation.
func (c *Conn) Close() {
	_ = unix.Close(c.fd)
	if c.ioctl >= 0 {
		_ = unix.Close(c.ioctl)
	}
}

// Ask sends one request and waits up to 5 s for its acknowledgement. what it is for goes
// into the error, which wraps the kernel's.
func (c *Conn) Ask(what string, m Message) error {
	c.seq++
	err := unix.Sendto(c.fd, m.bytes(c.seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = c.acknowledged()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Index is the number of the interface of this name.
func (c *Conn) Index(name string) (int32, error) {
	req, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(c.ioctl, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, fmt.Errorf("find the network card %s: %w", name, err)
	}
	return int32(req.Uint32()), nil
}

func (c *Conn) acknowledged() error {
	buf := make([]byte, 8<<10)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := answer(buf[:n], c.seq); done {
			return err
		}
	}
}

// answer finds the acknowledgement of request seq in a datagram of the kernel:
// done says that it is there, err what the kernel answered.
func answer(data []byte, seq uint32) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.SizeofNlMsghdr || size > len(data) {
			return true, errors.New("a malformed answer by netlink")
		}
		kind, of := binary.NativeEndian.Uint16(data[4:]), binary.NativeEndian.Uint32(data[8:])
		if kind == unix.NLMSG_ERROR && of == seq && size >= unix.SizeofNlMsghdr+4 {
			if code := int32(binary.NativeEndian.Uint32(data[unix.SizeofNlMsghdr:])); code != 0 {
				return true, unix.Errno(-code)
			}
			return true, nil
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return false, nil
}
