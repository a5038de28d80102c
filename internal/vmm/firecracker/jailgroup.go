package firecracker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/firecracker/jail"
)

// jailGroups is the control group below the host's root one that has those of all jailed
// machines, each named by its user.
const jailGroups = "banger"

// groupThreads are those that the jailer may have beside Firecracker's.
const groupThreads = 16

// jailGroup adds to limits those of a machine's control group, as far as the host, which has
// groups of version 2 at mount, offers its controllers. controllers are those that have one.
func jailGroup(mount string, spec vmm.Spec, limits jail.Limits) (_ jail.Limits, controllers []string) {
	offered, err := cgroup.Controllers(mount)
	if err != nil {
		return limits, nil
	}
	limit := func(controller string, set func()) {
		if slices.Contains(offered, controller) {
			set()
			controllers = append(controllers, controller)
		}
	}
	limit("cpu", func() { limits.CPUs = spec.VCPU + 1 }) // one for Firecracker's own work
	limit("memory", func() { limits.MemoryBytes = spec.MemoryBytes + ownMemory })
	limit("pids", func() { limits.Processes = int64(spec.VCPU) + maxThreads + groupThreads })
	if len(controllers) > 0 {
		limits.Parent = jailParent(spec.JailUID)
	}
	return limits, controllers
}

func jailParent(uid int) string { return fmt.Sprintf("%s/%d", jailGroups, uid) }

// clearGroup removes a machine's control group, after the end of its processes.
func clearGroup(mount string, uid int) error {
	var errs []error
	parent := filepath.Join(mount, jailParent(uid))
	for _, dir := range []string{filepath.Join(parent, jail.ID), parent} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove a control group: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Sweep implements vmm.Driver: it clears a jail away.
func (*Driver) Sweep(dir string, spec vmm.Spec) error {
	if spec.JailUID == 0 {
		return nil
	}
	j := jail.Jail{Dir: filepath.Join(dir, jailName), Firecracker: spec.Program, UID: spec.JailUID}
	return errors.Join(j.Clear(spec), clearGroup(cgroup.Mount, spec.JailUID))
}

// groupWords is what Confinement says of a machine's group.
func groupWords(controllers []string) string {
	if len(controllers) == 0 {
		return ""
	}
	return ", " + confine.GroupReport(controllers)
}
