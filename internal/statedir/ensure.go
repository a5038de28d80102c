package statedir

import (
	"errors"
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
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() {
		return fault.New(fault.PermissionDenied, "%s is not a directory of this user", dir).
			WithHint("remove it, or set XDG_RUNTIME_DIR")
	}
	if info.Mode().Perm() != 0o700 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}
