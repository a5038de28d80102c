package monitors

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// Confine makes monitors give up what they do not need of the host, by a step
// that this command begins: bangerd's own executable and "confine". needs is what a
// driver's VMM needs of the host, which its monitor must keep.
func (l *Launcher) Confine(step []string, needs Needs) *Launcher {
	l.confine, l.needs = step, needs
	return l
}

// Needs is what the executable of a driver's VMM needs of the host; an error when
// there is no such driver.
type Needs func(driver, program string) (vmm.Needs, error)

// monitorCommand is what starts the monitor of the VM in dir, with a mount namespace for a
// room of its VMM, or without.
func (l *Launcher) monitorCommand(dir statedir.VM, spec vm.Spec, mounts bool) (*exec.Cmd, error) {
	args := append(slices.Clone(l.command), string(dir))
	plan := plan(l.command[0], dir, spec)
	if len(l.confine) > 0 {
		if err := l.confineFor(&plan, dir, spec); err != nil {
			return nil, err
		}
		if !mounts {
			plan.MakesRoom = nil
		}
		more, err := plan.Arguments(args[0], args[1:])
		if err != nil {
			return nil, err
		}
		args = append(slices.Clone(l.confine), more...)
	}
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // it outlives this process
	cmd.Env = plan.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if plan.MakesRoom != nil {
		confine.OwnMounts(cmd.SysProcAttr, os.Getuid())
	}
	return cmd, nil
}

// confineFor adds to the plan what the monitor of this VM needs for its VMM.
func (l *Launcher) confineFor(plan *confine.Plan, dir statedir.VM, spec vm.Spec) error {
	if spec.JailUID != 0 { // a process under Landlock cannot make a jail
		plan.Capabilities = confine.JailKeeper()
		return nil
	}
	needs, err := l.needs(spec.Driver, spec.VMM)
	if err != nil {
		return err
	}
	plan.Read, plan.Devices = append(plan.Read, needs.Read...), append(plan.Devices, needs.Devices...)
	plan.Scope = scope(spec, needs)
	plan.MakesRoom = room(dir, spec, needs)
	return nil
}

// room is all that the VM's VMM sees of the host's files.
func room(dir statedir.VM, spec vm.Spec, needs vmm.Needs) *confine.Plan {
	p := &confine.Plan{
		Room: dir.Room(), Devices: needs.Devices,
		Read: append(slices.Clone(needs.Read), spec.Kernel, spec.Initramfs),
	}
	if !needs.Opens {
		return p
	}
	p.SocketsIn = []string{dir.Run()}
	for _, disk := range spec.Disks {
		if disk.ReadOnly {
			p.Read = append(p.Read, disk.Path)
		} else {
			p.Write = append(p.Write, disk.Path)
		}
	}
	return p
}

// stepThreads are those that the step before the VMM may have.
const stepThreads = 64

// scope is the unit of the VM's monitor and VMM. A start has its own, since systemd
// may still be removing that of the one before.
func scope(spec vm.Spec, needs vmm.Needs) *cgroup.Scope {
	unit := "banger-" + spec.VMID + "-" + spec.StartID
	if spec.Resume { // the same start, once more
		unit += fmt.Sprintf("-%x", spec.BeganAt.UnixNano())
	}
	return &cgroup.Scope{
		Bus: cgroup.BusPath(os.Getuid()), Unit: unit + ".scope",
		Description: "banger VM " + spec.Name,
		Limits: cgroup.Limits{
			MemoryBytes: spec.MemoryBytes + needs.MemoryBytes,
			CPUs:        spec.VCPU + 1, // one for the VMM's own work
			Processes:   int64(spec.VCPU) + needs.Threads + stepThreads,
		},
	}
}

// plan is what a monitor needs for itself: its VM's files, the host's resolvers, and
// the network, which is the guest's.
func plan(self string, dir statedir.VM, spec vm.Spec) confine.Plan {
	p := confine.Plan{
		Read: append(
			append(confine.SystemFiles(), self, spec.Kernel, spec.Initramfs, "/sys"),
			resolverFiles()...,
		),
		Write: []string{string(dir)},
		// In /proc are the maps of a namespace's users, which it writes for the VMM.
		Devices: []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/proc"},
		// The user may have any unix socket forwarded, at any time.
		SocketsIn: []string{"/"},
		Env:       confine.Environment(os.Environ(), "PATH", "LANG", "LC_*", "TZ", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR", "BANGER_TEST_*"),
	}
	for _, disk := range spec.Disks {
		if disk.ReadOnly {
			p.Read = append(p.Read, disk.Path)
		} else {
			p.Write = append(p.Write, disk.Path)
		}
	}
	return p
}

// resolverFiles are where resolv.conf is and may come to be: who writes it
// replaces the file, so that only its directory can be named.
func resolverFiles() []string {
	paths := []string{"/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"}
	if real, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil {
		paths = append(paths, real)
	}
	return paths
}
