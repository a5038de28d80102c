package process

import (
	"slices"
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

// ways are how the VMM may start, the best first: a kernel or a host can refuse
// namespaces, and a start in another group than ours.
func (c Command) ways() []Command {
	var ways []Command
	if c.Plan.JailedAs > 0 {
		return []Command{c}
	}
	for _, namespaces := range []bool{true, false} {
		for _, group := range slices.Compact([]string{c.Group, ""}) {
			way := c
			way.Plan.Namespaces, way.Group = namespaces, group
			way.Plan.Mounts = namespaces && c.Plan.Room == "" && confine.LandlockABI() == 0
			if !namespaces {
				way.Plan.Room = ""
			}
			if namespaces || c.Plan.TAP == nil {
				ways = append(ways, way)
			}
		}
	}
	return ways
}
