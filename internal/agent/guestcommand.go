package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// placeCommand makes this executable a command of the guest, by a bind mount: the file
// below it stays empty, and nothing is copied. A command of the image that has the name
// is left alone.
func placeCommand(root string) error {
	for _, dir := range agentrpc.GuestCommandDirs() {
		path := filepath.Join(root, dir, agentrpc.GuestCommand)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a command
		switch {
		case errors.Is(err, fs.ErrNotExist): // no such directory
			continue
		case errors.Is(err, fs.ErrExist):
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > 0 {
				return err // of an agent before this one, or the image's
			}
		case err != nil:
			return err
		default:
			_ = file.Close()
		}
		if err := unix.Mount("/proc/self/exe", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount the agent at %s: %w", path, err)
		}
		return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
	}
	return errors.New("the image has no directory for commands")
}
