package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// Ensure makes the directories with mode 0700, whatever the umask. It refuses,
// as PermissionDenied, a state or cache directory in which another user could
// put files: keys and the daemon's socket are there.
func (d Dirs) Ensure() error {
	for _, dir := range []string{d.State, d.Cache, d.SSH(), d.Kernels(), d.Images(), d.VMs()} {
		if err := makeAll(dir); err != nil {
			return fault.Wrap(fault.CodeOf(DiskFault(err, dir)), err, "cannot make %s", dir).
				WithHint("set XDG_STATE_HOME and XDG_CACHE_HOME to directories that you can write to")
		}
	}
	for _, dir := range []string{d.State, d.Cache} {
		if err := checkOwn(dir, os.Getuid()); err != nil {
			return err
		}
	}
	return ensurePrivate(d.Run())
}

// makeAll makes a directory and those above it that are missing.
func makeAll(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAll(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	switch {
	case err == nil:
		return os.Chmod(dir, 0o700) // the umask may have taken from it
	case errors.Is(err, fs.ErrExist):
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return err
	}
	return err
}

// checkOwn refuses a directory that another user owns or may write. It may be a
// link to one elsewhere.
func checkOwn(dir string, uid int) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	switch stat, ok := info.Sys().(*syscall.Stat_t); {
	case !ok || int(stat.Uid) != uid:
		return fault.New(fault.PermissionDenied, "%s belongs to user %d, not to you (user %d)", dir, stat.Uid, uid).
			WithHint("run banger as the user who owns the directory, or set XDG_STATE_HOME and XDG_CACHE_HOME")
	case info.Mode().Perm()&0o022 != 0:
		return fault.New(fault.PermissionDenied, "other users can write to %s (mode %04o)", dir, info.Mode().Perm()).
			WithHint("chmod 700 %s", dir)
	}
	return nil
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
	return fault.New(fault.PermissionDenied, "other users can enter %s (mode %04o)", dir, mode).
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
			WithHint("remove it")
	}
	return info.Mode().Perm(), nil
}
