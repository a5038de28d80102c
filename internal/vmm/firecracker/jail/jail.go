// Package jail lays out what Firecracker's jailer needs, and clears it away. The jailer
// runs as root, makes a chroot with only the files that are put there, and becomes
// Firecracker as a user that nobody else is: see docs/jailer.md in Firecracker's repository.
package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// ID is the jailer's name for a machine: the directory is the VM's own, so it needs
// no other.
const ID = "vm"

// Jail is the place of one machine.
type Jail struct {
	// Dir is a directory that is the jail's alone, on the filesystem of the VM's disk.
	Dir string
	// Jailer and Firecracker are the executables, of one version.
	Jailer, Firecracker string
	// UID is the user and the group that Firecracker runs as.
	UID int
}

// Jailer is the jailer that belongs to a Firecracker: the file beside it.
func Jailer(firecracker string) (string, error) {
	real, err := filepath.EvalSymlinks(firecracker)
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(real), "jailer")
	info, err := os.Stat(path)
	if err != nil || info.Mode()&0o111 == 0 || !info.Mode().IsRegular() {
		return "", fault.New(fault.Unavailable, "there is no jailer beside %s", real).
			WithHint("install the jailer of the same version in %s, or set jailer = false", filepath.Dir(real))
	}
	return path, nil
}

// Root is the chroot, as this host sees it.
func (j Jail) Root() string {
	real, err := filepath.EvalSymlinks(j.Firecracker) // as the jailer does
	if err != nil {
		real = j.Firecracker
	}
	return filepath.Join(j.Dir, filepath.Base(real), ID, "root")
}

// Arguments are the jailer's, for a Firecracker with these arguments.
func (j Jail) Arguments(limits Limits, firecracker ...string) []string {
	uid := strconv.Itoa(j.UID)
	args := []string{"--id", ID, "--exec-file", j.Firecracker, "--uid", uid, "--gid", uid, "--chroot-base-dir", j.Dir}
	args = append(args, limits.arguments()...)
	return append(append(args, "--"), firecracker...)
}

// Limits bound the machine's process; 0: no bound.
type Limits struct {
	Files, FileBytes int64
	// Parent is the control group of version 2, below the root one, for the machine's
	// own; empty: none.
	Parent      string
	MemoryBytes int64
	CPUs        int
	Processes   int64
}

// period is what a limit of CPU time counts in, in microseconds.
const period = 100_000

func (l Limits) arguments() []string {
	var args []string
	add := func(wanted bool, flag, format string, values ...any) {
		if wanted {
			args = append(args, flag, fmt.Sprintf(format, values...))
		}
	}
	add(l.Files > 0, "--resource-limit", "no-file=%d", l.Files)
	add(l.FileBytes > 0, "--resource-limit", "fsize=%d", l.FileBytes)
	if l.Parent == "" {
		return args
	}
	args = append(args, "--cgroup-version", "2", "--parent-cgroup", l.Parent)
	add(l.MemoryBytes > 0, "--cgroup", "memory.max=%d", l.MemoryBytes)
	add(l.CPUs > 0, "--cgroup", "cpu.max=%d %d", l.CPUs*period, period)
	add(l.Processes > 0, "--cgroup", "pids.max=%d", l.Processes)
	return args
}

// Furnish makes the chroot, with the files that a machine needs, and returns spec with
// their paths in it. A disk that the guest writes is linked, and is the jail's user's
// until Clear; other files are copied, since every machine has another user.
func (j Jail) Furnish(spec vmm.Spec) (vmm.Spec, error) {
	if err := j.Clear(spec); err != nil {
		return spec, err
	}
	if err := os.MkdirAll(j.Root(), 0o700); err != nil {
		return spec, fmt.Errorf("make the jail: %w", err)
	}
	for name, path := range map[string]*string{"vmlinux": &spec.Kernel, "initramfs": &spec.Initramfs} {
		from, err := os.Open(*path)
		if err != nil {
			return spec, err
		}
		if err := j.copy(from, name); err != nil {
			return spec, err
		}
		*path = "/" + name
	}
	disks := make([]vmm.Disk, len(spec.Disks))
	for i, disk := range spec.Disks {
		name := fmt.Sprintf("disk%d", i)
		from, err := disk.Open()
		if err != nil {
			return spec, err
		}
		if disk.ReadOnly {
			err = j.copy(from, name)
		} else {
			err = j.link(from, disk.Path, name)
		}
		if err != nil {
			return spec, fmt.Errorf("put the disk %s into the jail: %w", disk.Name, err)
		}
		disk.Path, disk.Pin = "/"+name, nil
		disks[i] = disk
	}
	spec.Disks = disks
	return spec, nil
}

// link gives a file a second name in the jail, and to the jail's user. It owns from.
func (j Jail) link(from *os.File, path, name string) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := os.Link(path, filepath.Join(j.Root(), name)); err != nil {
		return err
	}
	linked, err := os.Lstat(filepath.Join(j.Root(), name))
	if err != nil {
		return err
	}
	if opened, err := from.Stat(); err != nil || !os.SameFile(opened, linked) || !opened.Mode().IsRegular() {
		return errors.Join(errors.New("another file has taken its place"), err)
	}
	return errors.Join(from.Chown(j.UID, j.UID), from.Chmod(0o600))
}

// copy puts the contents of a file into the jail, by a reflink where the filesystem has
// them, for its user to read. It owns from.
func (j Jail) copy(from *os.File, name string) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := os.OpenFile(filepath.Join(j.Root(), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	if err = unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
		_, err = io.Copy(to, from)
	}
	return errors.Join(err, to.Chown(j.UID, j.UID), to.Close())
}

// Clear removes the jail, whether it was used, half made or never there, and gives the
// disks back to this process's user. No process of the jail's may be left.
func (j Jail) Clear(spec vmm.Spec) error {
	var errs []error
	for _, disk := range spec.Disks {
		if disk.ReadOnly {
			continue
		}
		err := os.Lchown(disk.Path, os.Getuid(), os.Getgid())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(append(errs, os.RemoveAll(j.Dir))...); err != nil {
		return fmt.Errorf("clear the jail away: %w", err)
	}
	return nil
}
