package portmap

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// bindUnix listens at e.path, mode 0600. Only a socket that nobody listens on is
// replaced. The file goes with the listener, unless it is another by then.
func (m *Map) bindUnix(e *entry) error {
	if err := clearPath(m.ctx, e.path); err != nil {
		return err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		// The mode of a socket that is not bound yet is what its file gets: it is
		// never open to others (unix_bind, net/unix/af_unix.c).
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := config.Listen(m.ctx, "unix", e.path)
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	made, err := os.Lstat(e.path)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	m.work.Go(func() { m.accept(l, e) })
	m.bound(e, l.Addr(), func() {
		_ = l.Close()
		if now, err := os.Lstat(e.path); err == nil && os.SameFile(made, now) {
			_ = os.Remove(e.path)
		}
	})
	return nil
}

// clearPath removes a socket that nobody listens on any more.
func clearPath(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fault.New(fault.Conflict, "%s already exists and is not a socket", path).WithHint("choose another path")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fault.New(fault.Conflict, "something is already listening at %s", path).WithHint("choose another path")
	}
	return os.Remove(path)
}
