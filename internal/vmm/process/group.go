package process

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/confine"
)

// enterGroup makes a process start in the control group with this directory; empty:
// in ours. The caller calls done after the start.
func enterGroup(attr *syscall.SysProcAttr, group string) (done func(), err error) {
	if group == "" {
		return func() {}, nil
	}
	fd, err := unix.Open(group, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	attr.UseCgroupFD, attr.CgroupFD = true, fd
	return func() { _ = unix.Close(fd) }, nil
}

func groupReport(group string) confine.Report {
	if group == "" {
		return nil
	}
	controllers, err := cgroup.Controllers(group)
	if err != nil {
		return nil
	}
	return confine.Report{confine.GroupReport(controllers)}
}
