package statedir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// Ensure makes the directories with mode 0700. It refuses a runtime directory
// that another user owns or can enter, since the API socket lives there.
func (d Dirs) Ensure() error {
	for _, dir := range []string{d.State, d.Cache, d.SSH(), d.Kernels(), d.Images(), d.VMs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return ensurePrivate(d.Runtime)
}

func ensurePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	mode, err := ownMode(dir, os.Getuid())
	if err != nil || mode == 0o700 {
		return err
	}
	return os.Chmod(dir, 0o700) // an older one, or the umask's doing
}

// checkPrivate refuses, as PermissionDenied, a directory in which another user
// may have put a socket. One that does not exist is fs.ErrNotExist.
func checkPrivate(dir string, uid int) error {
	mode, err := ownMode(dir, uid)
	if err != nil || mode == 0o700 {
		return err
	}
	return fault.New(fault.PermissionDenied, "other users may enter %s (mode %04o)", dir, mode).
		WithHint("chmod 700 %s", dir)
}

// ownMode is the mode of a directory that belongs to the user uid, and is no link.
func ownMode(dir string, uid int) (fs.FileMode, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != uid {
		return 0, fault.New(fault.PermissionDenied, "%s is not a directory of this user", dir).
			WithHint("remove it, or set XDG_RUNTIME_DIR to a directory of your own")
	}
	return info.Mode().Perm(), nil
}
