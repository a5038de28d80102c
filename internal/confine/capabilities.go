package confine

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// JailKeeper are the capabilities of a monitor that makes jails for Firecracker's jailer,
// which it hands on: to give files away, make namespaces, devices and mounts, become another
// user, and end and look at processes of one.
func JailKeeper() []uintptr {
	return []uintptr{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_MKNOD, unix.CAP_NET_ADMIN,
		unix.CAP_NET_BIND_SERVICE, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT,
		unix.CAP_SYS_PTRACE, unix.CAP_SYS_RESOURCE,
	}
}

// bound takes from this thread, and from what it executes, all capabilities but those.
func bound(kept []uintptr) error {
	for c := uintptr(0); ; c++ {
		if slices.Contains(kept, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) { // behind the last one that the kernel knows
			return nil
		}
		if err != nil {
			return fmt.Errorf("give up capability %d: %w", c, err)
		}
	}
}
