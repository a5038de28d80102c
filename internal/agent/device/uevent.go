// Package device finds the guest's devices: kernel modules, virtio ports and
// disks.
package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// recheck bounds the wait for one event: a condition is looked at that often
	// even if an event was lost.
	recheck      = 200 * time.Millisecond
	maxUevent    = 8 << 10
	kernelEvents = 1 // multicast group of the kernel's own uevents
)

// Await returns when done says true, looking again at each event of the
// kernel's device model (netlink(7), NETLINK_KOBJECT_UEVENT).
func Await(ctx context.Context, done func() (bool, error)) error {
	if ok, err := done(); ok || err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return fmt.Errorf("listen for device events: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelEvents}); err != nil {
		return fmt.Errorf("listen for device events: %w", errors.Join(err, unix.Close(fd)))
	}
	events := os.NewFile(uintptr(fd), "uevents")
	defer func() { _ = events.Close() }()
	buf := make([]byte, maxUevent)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := events.SetReadDeadline(time.Now().Add(recheck)); err != nil {
			return err
		}
		_, err := events.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("listen for device events: %w", err)
		}
	}
}
