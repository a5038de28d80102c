package inits

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// When systemd has unmounted what it can, it makes /run/initramfs the root and becomes
// its /shutdown, if that is there: https://systemd.io/INITRD_INTERFACE. Where the machine
// ends only by a reset, this program is there, and resets it.
const (
	shutdownRoot = "/run/initramfs"
	shutdownName = "/shutdown"
)

// IsShutdown reports whether this process is the last that systemd becomes. arg0 is its
// first argument.
func IsShutdown(arg0 string) bool { return os.Getpid() == 1 && arg0 == shutdownName }

// FinishShutdown resets the machine. It returns only when that fails.
func FinishShutdown() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// PlaceShutdown puts this program where systemd looks for it, unless the image has one
// there. It takes as much memory as the program is large, and is for a system that is
// going down already.
func PlaceShutdown() error { return placeShutdown("/proc/self/exe", shutdownRoot) }

func placeShutdown(program, root string) (err error) {
	path := filepath.Join(root, shutdownName)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	staging := path + ".new"
	to, err := os.OpenFile(staging, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("copy the agent: %w", errors.Join(err, os.Remove(staging)))
	}
	return os.Rename(staging, path)
}
