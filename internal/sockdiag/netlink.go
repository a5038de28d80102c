package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sock_diag(7): a request for one socket, and its answer.
const (
	headerSize  = 16 // struct nlmsghdr
	requestSize = headerSize + 56
	// Offsets in struct inet_diag_msg.
	dportAt = 6
	uidAt   = 64
	inodeAt = 68
	msgSize = 72
	// answerLimit bounds the wait for the kernel's answer, in microseconds. It
	// answers within the request.
	answerLimit = 500_000
)

// byNetlink asks for the socket of this host whose own address is local.
func byNetlink(proto string, local, remote netip.AddrPort) (owner, error) {
	found, otherEnd, err := ask(proto, local, remote)
	if err == nil && proto == TCP && otherEnd != remote.Port() {
		// Where there is no such connection the kernel tells of who listens there.
		return owner{}, errAbsent
	}
	return found, err
}

// ask has the kernel find the socket at local that what remote sends goes to.
func ask(proto string, local, remote netip.AddrPort) (found owner, otherEnd uint16, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return owner{}, 0, fmt.Errorf("open a sock_diag socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	limit := unix.Timeval{Usec: answerLimit}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return owner{}, 0, err
	}
	if err := unix.Sendto(fd, request(proto, local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return owner{}, 0, fmt.Errorf("ask sock_diag: %w", err)
	}
	buf := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return owner{}, 0, fmt.Errorf("read sock_diag's answer: %w", err)
	}
	return answer(buf[:n])
}

func request(proto string, local, remote netip.AddrPort) []byte {
	if proto == UDP { // udp_dump_one looks for who receives from src at dst
		local, remote = remote, local
	}
	b := make([]byte, requestSize)
	native := binary.NativeEndian
	native.PutUint32(b, requestSize)
	native.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	body := b[headerSize:]
	body[0] = unix.AF_INET
	if local.Addr().Is6() {
		body[0] = unix.AF_INET6
	}
	body[1] = protocol(proto)
	native.PutUint32(body[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(body[8:], local.Port())
	binary.BigEndian.PutUint16(body[10:], remote.Port())
	copy(body[12:28], local.Addr().AsSlice())
	copy(body[28:44], remote.Addr().AsSlice())
	native.PutUint64(body[48:], ^uint64(0)) // whatever its cookie
	return b
}

// answer is whose the socket is that the kernel found, and the port of its other end.
func answer(b []byte) (found owner, otherEnd uint16, err error) {
	if len(b) < headerSize+4 {
		return owner{}, 0, errors.New("sock_diag's answer is too short")
	}
	native := binary.NativeEndian
	body := b[headerSize:]
	switch kind := native.Uint16(b[4:]); {
	case kind == unix.NLMSG_ERROR:
		errno := unix.Errno(-int32(native.Uint32(body)))
		if errno == unix.ENOENT {
			return owner{}, 0, errAbsent
		}
		return owner{}, 0, fmt.Errorf("sock_diag: %w", errno)
	case kind != unix.SOCK_DIAG_BY_FAMILY || len(body) < msgSize:
		return owner{}, 0, fmt.Errorf("sock_diag's answer has type %d and %d bytes", kind, len(b))
	}
	found = owner{uid: int(native.Uint32(body[uidAt:])), inode: uint64(native.Uint32(body[inodeAt:]))}
	return found, binary.BigEndian.Uint16(body[dportAt:]), nil
}
