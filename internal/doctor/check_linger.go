package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// checkLinger looks at logind's own record: a user service ends when its user
// has logged out everywhere, unless the user lingers.
func checkLinger(_ context.Context, w World) verdict {
	if !w.runsSystemd() {
		return ok("this host does not run systemd")
	}
	if w.UID == 0 {
		return ok("root's services do not end at logout")
	}
	_, err := w.stat(filepath.Join("/var/lib/systemd/linger", w.User))
	switch {
	case err == nil:
		return ok("%s lingers", w.User)
	case errors.Is(err, fs.ErrNotExist):
		return warn("loginctl enable-linger", "the daemon's user service ends when %s logs out (VMs may end with it)", w.User)
	default:
		return warn("loginctl show-user "+w.User+" --property=Linger", "cannot tell whether %s lingers: %v", w.User, err)
	}
}

// runsSystemd is sd_booted(3).
func (w World) runsSystemd() bool {
	_, err := w.stat("/run/systemd/system")
	return err == nil
}
