package configure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/device"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agentrpc"
)

// kernelModules shows the kernel's modules where the guest's modprobe looks.
func (c *configuring) kernelModules(ctx context.Context) error {
	if c.cfg.Disks.Modules == "" {
		return nil
	}
	disk, err := device.Disk(ctx, c.cfg.Disks.Modules)
	if err != nil {
		return err
	}
	target, err := c.tree.inside(filepath.Join(agentrpc.ModulesDir, c.kernel))
	if err != nil {
		return err
	}
	return mount(disk, target, "ext4", unix.MS_RDONLY|unix.MS_NOATIME, "noload")
}

// system mounts what every Linux system has before its init runs.
func (c *configuring) system(context.Context) error {
	const secure = unix.MS_NOSUID | unix.MS_NODEV
	for _, m := range []struct {
		path, fstype, data string
		flags              uintptr
	}{
		{"/proc", "proc", "", secure | unix.MS_NOEXEC},
		{"/sys", "sysfs", "", secure | unix.MS_NOEXEC},
		{"/dev", "devtmpfs", "mode=0755", unix.MS_NOSUID},
		{"/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", unix.MS_NOSUID | unix.MS_NOEXEC},
		{"/dev/shm", "tmpfs", "mode=1777", secure},
	} {
		target := filepath.Join(Root, m.path)
		if err := vacateForMount(target); err != nil {
			return err
		}
		if err := mount(m.fstype, target, m.fstype, m.flags, m.data); err != nil {
			return err
		}
	}
	if err := c.run(); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(Root, "dev", name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// vacateForMount removes what is no directory where one is mounted upon.
func vacateForMount(target string) error {
	if info, err := os.Lstat(target); err == nil && !info.IsDir() {
		return os.Remove(target)
	}
	return nil
}

// run mounts /run, which is in memory and new at each start. An init fills it
// itself. Without one it begins as the image has it: nobody else would make the
// directories there that the image's programs need.
func (c *configuring) run() error {
	const options = "mode=0755,size=20%"
	target, lower := filepath.Join(Root, "run"), filepath.Join(dirImage, "run")
	if err := vacateForMount(target); err != nil {
		return err
	}
	info, err := os.Lstat(lower)
	if c.result.Init.Flavour != inits.Agent || err != nil || !info.IsDir() {
		return mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := mount("tmpfs", dirRun, "tmpfs", unix.MS_NOATIME, options); err != nil {
		return err
	}
	return overlay(lower, dirRun, target, homeOptions)
}

// workingDir makes the directory that commands start in, as container runtimes do.
func (c *configuring) workingDir(context.Context) error {
	if c.cfg.WorkingDir == "" {
		return nil
	}
	_, err := c.tree.inside(filepath.Join("/", c.cfg.WorkingDir))
	return err
}

// MountCgroups mounts the unified hierarchy, for images that bring no init to
// do so.
func MountCgroups() error {
	return unix.Mount("cgroup2", filepath.Join(Root, "sys/fs/cgroup"), "cgroup2",
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "nsdelegate")
}

// SetClock sets the wall clock, in nanoseconds since 1970. Zero leaves it.
func SetClock(unixNano int64) error {
	if unixNano == 0 {
		return nil
	}
	tv := unix.NsecToTimeval(unixNano)
	if err := unix.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock to %s: %w", time.Unix(0, unixNano).UTC().Format(time.RFC3339), err)
	}
	return nil
}

const (
	maxEntropy = 512
	// random(4), linux/random.h: RNDADDENTROPY _IOW('R', 3, int[2]), RNDRESEEDCRNG _IO('R', 7).
	rndAddIoctl    = 0x40085203
	rndReseedIoctl = 0x5207
)

// AddEntropy mixes seed into the kernel's pool, credits it, and has the generator start
// anew from the pool: else it would go on for up to a minute as before, and two machines
// that were restored from one would draw the same bytes.
func AddEntropy(seed []byte) error {
	seed = seed[:min(len(seed), maxEntropy)]
	var info struct {
		bits, size int32
		buf        [maxEntropy]byte
	}
	info.bits, info.size = int32(8*len(seed)), int32(len(seed))
	copy(info.buf[:], seed)
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := ioctl(f, rndAddIoctl, unsafe.Pointer(&info)); err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	if err := ioctl(f, rndReseedIoctl, nil); err != nil {
		return fmt.Errorf("reseed the random number generator: %w", err)
	}
	return nil
}
