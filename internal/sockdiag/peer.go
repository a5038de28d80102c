package sockdiag

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// tcpEstablished is the state of a TCP socket whose other end is open (tcp_states.h).
const tcpEstablished = 1

// OwnPeer reports whether the other end of a TCP connection that was accepted on this host
// is an open socket of one of the users. A socket that was closed, or half of it, is
// nobody's: its address may be another's by then. The error says that it is not known.
func OwnPeer(conn *net.TCPConn, uids ...int) (bool, error) {
	client, okClient := conn.RemoteAddr().(*net.TCPAddr)
	server, okServer := conn.LocalAddr().(*net.TCPAddr)
	if !okClient || !okServer {
		return false, errors.New("the connection has no addresses")
	}
	for _, uid := range uids {
		owned, err := Owned(uid, TCP, client.AddrPort(), server.AddrPort())
		if err != nil {
			return false, err
		}
		if owned {
			// While both ends are open, nobody else can have had that address since.
			return stands(conn)
		}
	}
	return false, nil
}

// stands reports whether neither end of a connection has closed it.
func stands(conn *net.TCPConn) (bool, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	var info *unix.TCPInfo
	var infoErr error
	if err := raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return false, err
	}
	return infoErr == nil && info.State == tcpEstablished, infoErr
}
