package statedir

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// StartLock is held by whoever starts or replaces the daemon, so that two
// command lines at once start one.
func (d Dirs) StartLock() string { return filepath.Join(d.State, "start.lock") }

// OldLog is what Log was before it was too big.
func (d Dirs) OldLog() string { return d.Log() + ".1" }

// OldConsole is what Console was before it was rotated: at each start, and when it was too big.
func (v VM) OldConsole() string { return v.Console() + ".1" }

// OldEgressLog is what EgressLog was before it was rotated, when it was too big.
func (v VM) OldEgressLog() string { return v.EgressLog() + ".1" }

// DialDaemon connects to the bangerd that serves these directories. Nothing is
// sent to a socket that another user may have made: PermissionDenied. An error
// that matches fs.ErrNotExist or ECONNREFUSED says that no daemon listens.
func (d Dirs) DialDaemon(ctx context.Context) (net.Conn, error) {
	conn, err := dialPrivate(ctx, d.Socket())
	if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	// The builds before had their socket in the runtime directory, and no link there.
	if info, linkErr := os.Lstat(d.SocketLink()); linkErr == nil && info.Mode().Type() == fs.ModeSocket {
		if older, olderErr := dialPrivate(ctx, d.SocketLink()); olderErr == nil {
			return older, nil
		}
	}
	return nil, err
}

func dialPrivate(ctx context.Context, path string) (net.Conn, error) {
	if err := checkPrivate(filepath.Dir(path), os.Getuid()); err != nil {
		return nil, err
	}
	return DialUnix(ctx, path)
}

// SocketLink is a short path to Socket for other programs, and for the builds
// before; empty: there is none.
func (d Dirs) SocketLink() string {
	if d.Runtime == "" {
		return ""
	}
	return filepath.Join(d.Runtime, "bangerd.sock")
}

// LinkSocket makes SocketLink lead to Socket. One that leads to a daemon of
// another state directory stays. The error is not the daemon's end: it is found
// without the link.
func (d Dirs) LinkSocket(ctx context.Context) error {
	link := d.SocketLink()
	if link == "" {
		return nil
	}
	if err := ensurePrivate(d.Runtime); err != nil {
		return err
	}
	if to, err := os.Readlink(link); err == nil && to == d.Socket() {
		return nil
	}
	if conn, err := DialUnix(ctx, link); err == nil {
		return errors.Join(fault.New(fault.Conflict, "%s points to another bangerd", link), conn.Close())
	}
	staging := link + StagingSuffix
	if err := os.Remove(staging); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(d.Socket(), staging); err != nil {
		return err
	}
	return os.Rename(staging, link)
}

// UnlinkSocket removes Socket, and SocketLink if it leads there.
func (d Dirs) UnlinkSocket() error {
	err := os.Remove(d.Socket())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if to, linkErr := os.Readlink(d.SocketLink()); linkErr == nil && to == d.Socket() {
		err = errors.Join(err, os.Remove(d.SocketLink()))
	}
	return err
}
