package treecopy

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

const openDirectory = unix.O_DIRECTORY | unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// directories keeps those open that lead to the present path, so that no name on
// the way is looked up twice, and none leads through a link.
type directories struct {
	target *Target
	open   []openDir
}

type openDir struct {
	name string
	fd   int
	new  *agentrpc.TreeEntry // what it becomes once all in it is written; nil: as it was
}

// enter returns the open directory dir, below the target, and makes what is
// missing of it.
func (d *directories) enter(dir string) (int, error) {
	names := split(dir)
	if len(names) > MaxDepth+1 {
		return 0, refuse(CodeInvalid, "%s is more than %d directories deep", d.target.shown(dir), MaxDepth)
	}
	same := 0
	for same < len(names) && same < len(d.open) && d.open[same].name == names[same] {
		same++
	}
	if err := d.leave(same); err != nil {
		return 0, err
	}
	for _, name := range names[same:] {
		fd, err := unix.Openat(d.last(), name, openDirectory, 0)
		if errors.Is(err, unix.ENOENT) {
			if err = unix.Mkdirat(d.last(), name, 0o755); err == nil {
				fd, err = unix.Openat(d.last(), name, openDirectory, 0)
			}
		}
		if err != nil {
			return 0, d.describe("open", dir, err)
		}
		d.open = append(d.open, openDir{name: name, fd: fd})
	}
	return d.last(), nil
}

func (d *directories) last() int {
	if len(d.open) == 0 {
		return d.target.fd
	}
	return d.open[len(d.open)-1].fd
}

// make makes the directory that e describes, or takes the one that is there.
func (d *directories) make(p string, e agentrpc.TreeEntry, mask uint32) error {
	dir, name := cut(p)
	at, err := d.enter(dir)
	if err != nil {
		return err
	}
	err = unix.Mkdirat(at, name, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return d.describe("mkdir", p, err)
	}
	fd, err := unix.Openat(at, name, openDirectory, 0)
	if err != nil {
		return d.describe("open", p, err)
	}
	opened := openDir{name: name, fd: fd}
	if made {
		e.Mode &= mask
		opened.new = &e
	}
	d.open = append(d.open, opened)
	return nil
}

// leave closes what is open below the first kept ones, and finishes it.
func (d *directories) leave(kept int) error {
	var errs []error
	for len(d.open) > kept {
		last := d.open[len(d.open)-1]
		d.open = d.open[:len(d.open)-1]
		if e := last.new; e != nil {
			if err := errors.Join(unix.Fchmod(last.fd, e.Mode), setTime(last.fd, e.ModTime)); err != nil {
				errs = append(errs, failure("finish", last.name, err))
			}
		}
		_ = unix.Close(last.fd)
	}
	return errors.Join(errs...)
}

// lookUp opens a directory below the target for itself. The caller closes it.
func (d *directories) lookUp(dir string) (int, error) {
	fd, err := unix.Openat(d.target.fd, ".", openDirectory, 0)
	for _, name := range split(dir) {
		if err != nil {
			break
		}
		var next int
		next, err = unix.Openat(fd, name, openDirectory, 0)
		_ = unix.Close(fd)
		fd = next
	}
	return fd, err
}

func (d *directories) describe(op, p string, err error) error {
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return refuse(CodeConflict, "%s exists and is not a directory", d.target.shown(p))
	}
	return failure(op, d.target.shown(p), err)
}

func setTime(fd int, at time.Time) error {
	if at.IsZero() {
		return nil
	}
	stamp := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{stamp, stamp}, unix.AT_EMPTY_PATH)
}

func split(dir string) []string {
	if dir == "." || dir == "" {
		return nil
	}
	return strings.Split(dir, "/")
}

func cut(p string) (dir, name string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}
