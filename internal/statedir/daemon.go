package statedir

import (
	"context"
	"net"
	"os"
	"path/filepath"
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
	if err := checkPrivate(filepath.Dir(d.Socket()), os.Getuid()); err != nil {
		return nil, err
	}
	return DialUnix(ctx, d.Socket())
}
