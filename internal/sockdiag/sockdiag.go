// Package sockdiag finds which user a client on this host belongs to, from the kernel's tables
// of sockets: TCP and UDP have no SO_PEERCRED.
package sockdiag

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Protocols.
const (
	TCP = "tcp"
	UDP = "udp"
)

// owner is what a table says of one socket.
type owner struct {
	uid   int
	inode uint64 // 0: no process has it any more
}

// errAbsent says that a table has no such socket.
var errAbsent = errors.New("no such socket")

// Owned reports whether the client's end of what arrives from client at server,
// an address of this host's, is a socket of the user uid. Of a socket that no
// process has any more newer kernels know whose it was; to older ones it is
// root's, and so never counts as that. A UDP port that its socket lets others have
// too (SO_REUSEADDR) is nobody's, as any of them may have sent. The error says that
// the kernel's tables cannot be read.
func Owned(uid int, proto string, client, server netip.AddrPort) (bool, error) {
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	found, err := byNetlink(proto, client, server)
	if errors.Is(err, errAbsent) {
		// So says also a kernel that cannot load the module that answers. Of our own
		// end, or of the socket that listens, such a kernel says the same. The tables
		// are long where a stranger has many sockets.
		if _, _, ownErr := ask(proto, server, client); ownErr == nil {
			return false, nil
		}
	}
	if err != nil {
		found, err = byTable(proto, client, server)
	}
	switch {
	case errors.Is(err, errAbsent):
		return false, nil
	case err != nil:
		return false, err
	case proto == UDP && found.uid == uid && shareable(client):
		return false, nil
	}
	// What no process has any more may be root's in these tables, whoever had it.
	return found.uid == uid && (uid != 0 || found.inode != 0), nil
}

// shareable reports whether a UDP port is such that another user's socket could have
// it as well, or could have had it a moment ago: the kernel gives it to one more that
// allows that, as all of them must (socket(7), SO_REUSEADDR).
func shareable(at netip.AddrPort) bool {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return true
	}
	err = unix.Bind(fd, to)
	// A port below 1024 is one that strangers cannot have either.
	return !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EACCES)
}

func protocol(proto string) uint8 {
	if proto == UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}
