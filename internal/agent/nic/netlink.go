package nic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The kernel answers at once; a wait means that something is wrong.
const answerSeconds = 5

// conn is a conversation with the kernel by rtnetlink.
type conn struct {
	fd    int // NETLINK_ROUTE
	ioctl int // any internet socket
	seq   uint32
}

func dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("talk to the kernel by netlink: %w", err)
	}
	c := &conn{fd: fd, ioctl: -1}
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerSeconds})
	if err == nil {
		c.ioctl, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("talk to the kernel by netlink: %w", err)
	}
	return c, nil
}

func (c *conn) close() {
	_ = unix.Close(c.fd)
	if c.ioctl >= 0 {
		_ = unix.Close(c.ioctl)
	}
}

// ask sends one request and waits for its acknowledgement. what it is for goes
// into the error.
func (c *conn) ask(what string, m message) error {
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

func (c *conn) acknowledged() error {
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

// message is a request: its kind, further flags, and body.
type message struct {
	kind, flags uint16
	body        []byte
}

// bytes is the request with its header, netlink(7), asking for an acknowledgement.
func (m message) bytes(seq uint32) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(m.body)))
	b = ne.AppendUint16(b, m.kind)
	b = ne.AppendUint16(b, m.flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = ne.AppendUint32(b, seq)
	b = ne.AppendUint32(b, 0) // the kernel knows whose socket it is
	return append(b, m.body...)
}

// attribute appends one, padded to four bytes.
func (m *message) attribute(kind uint16, data []byte) {
	ne := binary.NativeEndian
	m.body = ne.AppendUint16(m.body, uint16(unix.SizeofRtAttr+len(data)))
	m.body = ne.AppendUint16(m.body, kind)
	m.body = append(m.body, data...)
	for len(m.body)%4 != 0 {
		m.body = append(m.body, 0)
	}
}

func (m *message) number(kind uint16, n uint32) {
	m.attribute(kind, binary.NativeEndian.AppendUint32(nil, n))
}

// linkUp: struct ifinfomsg, rtnetlink(7).
func linkUp(index int32, mtu int) message {
	ne := binary.NativeEndian
	m := message{kind: unix.RTM_NEWLINK, body: make([]byte, unix.SizeofIfInfomsg)}
	ne.PutUint32(m.body[4:], uint32(index))
	ne.PutUint32(m.body[8:], unix.IFF_UP)  // the flags
	ne.PutUint32(m.body[12:], unix.IFF_UP) // and which of them to change
	if mtu > 0 {
		m.number(unix.IFLA_MTU, uint32(mtu))
	}
	return m
}

// address: struct ifaddrmsg. Nobody else has a static address of this network,
// so there is nothing to detect.
func address(index int32, p netip.Prefix) message {
	m := message{kind: unix.RTM_NEWADDR, flags: unix.NLM_F_CREATE | unix.NLM_F_REPLACE, body: make([]byte, unix.SizeofIfAddrmsg)}
	m.body[0], m.body[1] = family(p.Addr()), byte(p.Bits())
	if p.Addr().Is6() {
		m.body[2] = unix.IFA_F_NODAD
	}
	binary.NativeEndian.PutUint32(m.body[4:], uint32(index))
	m.attribute(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return m
}

// defaultRoute: struct rtmsg.
func defaultRoute(index int32, via netip.Addr) message {
	m := message{kind: unix.RTM_NEWROUTE, flags: unix.NLM_F_CREATE | unix.NLM_F_REPLACE, body: make([]byte, unix.SizeofRtMsg)}
	m.body[0] = family(via)
	m.body[4], m.body[5], m.body[6], m.body[7] = unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST
	m.attribute(unix.RTA_GATEWAY, via.AsSlice())
	m.number(unix.RTA_OIF, uint32(index))
	return m
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
