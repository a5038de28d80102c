package pid1

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limits are what every process of the guest inherits, as users of containers
// have them. The kernel's own are for a machine without a service manager: 4096
// files, and a few hundred processes where memory is small. The soft limit of
// files stays 1024: programs that close all descriptors in turn take it for their
// number.
func limits() map[int]unix.Rlimit {
	return map[int]unix.Rlimit{
		unix.RLIMIT_NOFILE:  {Cur: 1024, Max: 524288},
		unix.RLIMIT_NPROC:   {Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY},
		unix.RLIMIT_MEMLOCK: {Cur: 8 << 20, Max: 8 << 20},
	}
}

// setLimits sets the limits of this process and its children to come.
func setLimits() error {
	for resource, limit := range limits() {
		if err := unix.Setrlimit(resource, &limit); err != nil {
			return fmt.Errorf("set the limit %d of resources: %w", resource, err)
		}
	}
	return nil
}
