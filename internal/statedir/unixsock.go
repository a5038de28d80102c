package statedir

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// maxSocketPath is the longest sun_path that Linux takes, without the NUL.
const maxSocketPath = 107

// DialUnix dials the unix socket at path, whatever the path's length: a long
// one is reached through an open descriptor of its directory. What listens there
// must be a process of this user, or the error is PermissionDenied: a socket can
// be anybody's, and whoever answers is believed.
func DialUnix(ctx context.Context, path string) (net.Conn, error) {
	return dialUnix(ctx, path, os.Getuid())
}

func dialUnix(ctx context.Context, path string, uid int) (net.Conn, error) {
	name := path
	if len(path) > maxSocketPath {
		short, done, err := shortPath(path)
		if err != nil {
			return nil, err
		}
		defer done()
		name = short
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	return ours(conn, path, uid)
}

// ListenUnix listens on the unix socket at path (mode 0600), whatever the
// path's length, for processes of this user. A stale socket there is replaced.
// The caller closes the listener, and removes the file.
func ListenUnix(path string) (*Listener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	name := path
	if len(path) > maxSocketPath {
		short, done, err := shortPath(path)
		if err != nil {
			return nil, err
		}
		defer done()
		name = short
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return OwnOnly(l), nil
}

// OwnOnly is a listener on a unix socket, for processes of this user.
func OwnOnly(l *net.UnixListener) *Listener { return &Listener{UnixListener: l, uid: os.Getuid()} }

// openPath is O_PATH, which package syscall lacks.
const openPath = 0o10000000

func shortPath(path string) (short string, done func(), err error) {
	// Only the way through the directory is needed; a confined process has no more.
	dir, err := os.OpenFile(filepath.Dir(path), openPath, 0)
	if err != nil {
		return "", nil, err
	}
	short = "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)
	return short, func() { _ = dir.Close() }, nil
}
