package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/diskclone"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// What ext4 with a journal needs, and how far one can grow while it is mounted, in
// bytes. How large the disk of a VM is, is the domain's rule.
const (
	leastExt4 = 64 << 20
	mostExt4  = 8 << 40
)

// templateVersion is in the names of the templates. It changes with the
// options given to mkfs.
const templateVersion = "v1"

// Disks makes the writable disks of VMs: sparse files that hold an empty ext4.
// The first disk of a size is formatted by mkfs.ext4 and kept as a template;
// others are clones of it. It is safe for concurrent use.
type Disks struct {
	templates string
	mkfs      string
}

// NewDisks returns Disks that keep templates in the directory templates.
func NewDisks(templates string) *Disks { return &Disks{templates: templates} }

// Create makes the disk at path, which must not exist, of size bytes. On any
// error nothing is left there. Without mkfs.ext4, or space, it is a fault
// Unavailable.
func (d *Disks) Create(ctx context.Context, path string, size int64) error {
	if size < leastExt4 || size > mostExt4 {
		return fault.New(fault.Invalid, "a disk of %d bytes: the size must be between %d MiB and %d TiB", size, leastExt4>>20, int64(mostExt4)>>40)
	}
	template, err := d.template(ctx, size)
	if err != nil {
		return err
	}
	return statedir.DiskFault(diskclone.Clone(ctx, template, path, diskclone.Options{}), path)
}

// Grow makes the disk at path size bytes large. The guest grows its filesystem
// when it mounts the disk: the host never reads what a guest wrote. A disk
// never shrinks: a smaller size is Invalid.
func (d *Disks) Grow(ctx context.Context, path string, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if size < info.Size() {
		return fault.New(fault.Invalid, "a disk cannot shrink: it has %d bytes, and %d were requested", info.Size(), size)
	}
	if size > mostExt4 {
		return fault.New(fault.Invalid, "a disk of %d bytes: at most %d TiB", size, int64(mostExt4)>>40)
	}
	return statedir.DiskFault(os.Truncate(path, size), path)
}

func (d *Disks) template(ctx context.Context, size int64) (string, error) {
	path := filepath.Join(d.templates, "ext4-"+templateVersion+"-"+strconv.FormatInt(size, 10)+".img")
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return path, nil
	}
	if err := os.MkdirAll(d.templates, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(d.templates, "*"+statedir.StagingSuffix)
	if err != nil {
		return "", statedir.DiskFault(err, path)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = f.Truncate(size)
	if err == nil {
		err = d.format(ctx, f.Name())
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", statedir.DiskFault(err, path)
	}
	return path, statedir.DiskFault(os.Rename(f.Name(), path), path)
}

// Sweep removes what unfinished calls left among the templates. It is called
// before any other method.
func (d *Disks) Sweep(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(d.templates, "*"+statedir.StagingSuffix))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d *Disks) format(ctx context.Context, path string) error {
	mkfs, err := d.findMkfs()
	if err != nil {
		return err
	}
	// resize_inode lets the guest grow the filesystem while it is mounted.
	cmd := exec.CommandContext(ctx, mkfs, "-q", "-F", "-b", "4096", "-I", "256", "-m", "0",
		"-O", "has_journal,resize_inode,64bit,dir_index,extent",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0", path)
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && strings.Contains(string(out), "No space left"):
		return fmt.Errorf("%s: %w", mkfs, syscall.ENOSPC)
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "%s: %s", mkfs, strings.TrimSpace(string(out)))
	}
	return nil
}

// findMkfs looks beyond PATH, since ordinary users often lack the sbin
// directories in theirs.
func (d *Disks) findMkfs() (string, error) {
	if d.mkfs != "" {
		return d.mkfs, nil
	}
	for _, name := range []string{"mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fault.New(fault.Unavailable, "mkfs.ext4 is neither on PATH nor in /usr/sbin or /sbin").
		WithHint("install e2fsprogs")
}
