package netstack

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
)

// pinger opens what echoes of a guest's leave by: each write is an echo request,
// each read an answer, both with their ICMP header.
type pinger func(addr netip.Addr) (net.Conn, error)

// dialPing opens a ping socket, which the host allows to the groups of
// net.ipv4.ping_group_range; the kernel sets identifier and checksum.
func dialPing(addr netip.Addr) (net.Conn, error) {
	family, protocol := unix.AF_INET6, unix.IPPROTO_ICMPV6
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: addr.As16()}
	if addr.Is4() {
		family, protocol, to = unix.AF_INET, unix.IPPROTO_ICMP, &unix.SockaddrInet4{Addr: addr.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil, fault.New(fault.PermissionDenied, "the host does not let this user send echoes (net.ipv4.ping_group_range)")
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, to); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	file := os.NewFile(uintptr(fd), "ping")
	defer func() { _ = file.Close() }()
	return net.FileConn(file)
}
