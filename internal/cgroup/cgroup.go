// Package cgroup gives a process and the VMM that it starts a control group each,
// without root: the user's systemd delegates a scope to them. See
// https://systemd.io/CGROUP_DELEGATION and
// https://docs.kernel.org/admin-guide/cgroup-v2.html. systemd removes the scope, and
// what is below it, when its last process has ended.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mount is where systemd mounts control groups of version 2, when there are no others.
const Mount = "/sys/fs/cgroup"

// The groups in a scope: processes may only be in groups without groups below.
const (
	ownGroup = "monitor"
	vmmGroup = "vmm"
)

// Limits are those of the VMM; 0: none.
type Limits struct {
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	CPUs        int   `json:"cpus,omitempty"`
	Processes   int64 `json:"processes,omitempty"` // and threads
}

// wanted are the controllers that a VMM's group has where they are delegated. io has no
// limit: it shares the disk fairly between VMs.
func wanted() []string { return []string{"cpu", "memory", "pids", "io"} }

// Own is the group of this process, as a directory. It is an error if the host has
// groups of version 1.
func Own() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return own(string(data), Mount)
}

// own finds the line of version 2 in a /proc/PID/cgroup: see cgroups(7).
func own(lines, mount string) (string, error) {
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err != nil {
		return "", fmt.Errorf("control groups of version 2 are not at %s: %w", mount, err)
	}
	for line := range strings.Lines(lines) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/"); ok {
			return filepath.Join(mount, path), nil
		}
	}
	return "", errors.New("this process has no control group of version 2")
}

// Controllers are those that a group may give on to groups below it.
func Controllers(group string) ([]string, error) {
	f, err := os.Open(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil && line == "" {
		return nil, nil
	}
	return strings.Fields(line), nil
}

// Missing are those of the controllers which a VMM's group should have that are not there.
func Missing(controllers []string) []string {
	return slices.DeleteFunc(wanted(), func(c string) bool { return slices.Contains(controllers, c) })
}

// split makes two groups of a scope in which this process is alone: it is in the one
// afterwards, and the other, whose directory is returned, is for the VMM. controllers are
// those that it has.
func split(scope string, limits Limits) (vmm string, controllers []string, err error) {
	offered, err := Controllers(scope)
	if err != nil {
		return "", nil, err
	}
	vmm = filepath.Join(scope, vmmGroup)
	for _, dir := range []string{filepath.Join(scope, ownGroup), vmm} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", nil, err
		}
	}
	if err := write(filepath.Join(scope, ownGroup, "cgroup.procs"), "0"); err != nil {
		return "", nil, err
	}
	for _, controller := range wanted() {
		if !slices.Contains(offered, controller) {
			continue
		}
		if err := write(filepath.Join(scope, "cgroup.subtree_control"), "+"+controller); err != nil {
			return "", nil, err
		}
		controllers = append(controllers, controller)
	}
	return vmm, controllers, limit(vmm, controllers, limits)
}

// period is what a limit of CPU time counts in, in microseconds.
const period = 100_000

func limit(group string, controllers []string, l Limits) error {
	set := func(controller, file, value string, wanted bool) error {
		if !wanted || !slices.Contains(controllers, controller) {
			return nil
		}
		return write(filepath.Join(group, file), value)
	}
	return errors.Join(
		set("memory", "memory.max", strconv.FormatInt(l.MemoryBytes, 10), l.MemoryBytes > 0),
		set("memory", "memory.oom.group", "1", l.MemoryBytes > 0),
		set("cpu", "cpu.max", fmt.Sprintf("%d %d", l.CPUs*period, period), l.CPUs > 0),
		set("pids", "pids.max", strconv.FormatInt(l.Processes, 10), l.Processes > 0),
	)
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
