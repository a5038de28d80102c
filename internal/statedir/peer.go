package statedir

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// PeerUID returns the user of the process at the other end of a unix socket:
// of a connection that was dialled the one that listens, of one that was
// accepted the one that connected (SO_PEERCRED, unix(7)).
func PeerUID(conn *net.UnixConn) (int, error) {
	uid, _, err := peer(conn)
	return uid, err
}

func peer(conn *net.UnixConn) (uid, pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, 0, err
	}
	uid = -1
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if err != nil {
			optErr = err
			return
		}
		uid, pid = int(cred.Uid), int(cred.Pid)
	})
	return uid, pid, errors.Join(err, optErr)
}

// ours returns conn if the process that listens at path is of the user uid. Else
// it closes conn before a byte is sent: PermissionDenied.
func ours(conn net.Conn, path string, uid int) (net.Conn, error) {
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("not a unix socket"), conn.Close())
	}
	peer, err := PeerUID(sock)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if peer != uid {
		_ = conn.Close()
		return nil, fault.New(fault.PermissionDenied, "user %d is listening on %s, not you (user %d)", peer, path, uid).
			WithHint("remove it, or ask that user to stop what is listening there")
	}
	return conn, nil
}

// Listener is a unix listener that accepts connections of this user's processes
// only. It closes those of others without a word.
type Listener struct {
	*net.UnixListener
	// Stranger, when set before the first Accept, is called once, with the uid of
	// the first process of another user that connected.
	Stranger func(uid int)
	// Refuses, when set before the first Accept, says which processes of this user are
	// not let in either.
	Refuses func(pid int) bool

	uid  int
	once sync.Once
}

// Accept is net.Listener's.
func (l *Listener) Accept() (net.Conn, error) { return l.AcceptUnix() }

// AcceptUnix returns the next connection of a process of this user.
func (l *Listener) AcceptUnix() (*net.UnixConn, error) {
	for {
		conn, err := l.UnixListener.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, pid, err := peer(conn)
		known := err == nil && uid == l.uid
		if known && (l.Refuses == nil || !l.Refuses(pid)) {
			return conn, nil
		}
		_ = conn.Close()
		if !known && l.Stranger != nil {
			l.once.Do(func() { l.Stranger(uid) })
		}
	}
}
