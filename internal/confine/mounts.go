package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stage is where a program's new root is put together in its own mount namespace; what
// is there is out of sight.
const stage = "/tmp"

// stageOptions bound the new root's own memory: it has directories and links only.
const stageOptions = "size=1m,nr_inodes=2k,mode=755"

// place is one of the plan's paths.
type place struct {
	path     string
	readOnly bool
	fd       int    // of what is there; -1: a symbolic link
	link     string // where it leads
	dir      bool
}

// newRoot makes a root of nothing but the plan's paths and /proc, in this process's
// mount namespace. The process needs CAP_SYS_ADMIN there.
func (p Plan) newRoot() error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := p.buildRoot(stage); err != nil {
		return err
	}
	return enterRoot(cwd)
}

// buildRoot puts such a root together at the directory.
func (p Plan) buildRoot(stage string) error {
	places, err := p.places()
	if err != nil {
		return err
	}
	defer func() {
		for _, pl := range places {
			if pl.fd >= 0 {
				_ = unix.Close(pl.fd)
			}
		}
	}()
	// What the host unmounts goes here too, or a VM would keep its disks busy.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("part from the host's mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, stageOptions); err != nil {
		return fmt.Errorf("mount a new root: %w", err)
	}
	for _, pl := range places {
		if err := pl.put(stage); err != nil {
			return fmt.Errorf("put %s into the new root: %w", pl.path, err)
		}
	}
	if err := unix.Mount("", stage, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make the new root read-only: %w", err)
	}
	return nil
}

// enterRoot makes the stage the root, and the host's unreachable.
func enterRoot(cwd string) error {
	if err := os.Chdir(stage); err != nil {
		return err
	}
	// The old root comes to lie on the new one: pivot_root(2).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return chdir(cwd)
}

func chdir(cwd string) error {
	if err := os.Chdir(cwd); err != nil {
		return os.Chdir("/") // it is none of the plan's
	}
	return nil
}

// places are the plan's paths that exist, outer ones first.
func (p Plan) places() ([]place, error) {
	var places []place
	add := func(paths []string, readOnly bool) error {
		for _, path := range paths {
			found, err := find(path, readOnly)
			places = append(places, found...)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return err // others could not be used anyway
			}
		}
		return nil
	}
	err := errors.Join(add(slices.Concat(p.Write, p.SocketsIn, p.Devices, []string{"/proc"}), false), add(p.Read, true))
	slices.SortStableFunc(places, func(a, b place) int { return strings.Count(a.path, "/") - strings.Count(b.path, "/") })
	return places, err
}

// maxLinks bounds the symbolic links on a path, as the kernel does.
const maxLinks = 40

// find returns what is at path, and the links on the way there: no path of a place goes
// by a link.
func find(path string, readOnly bool) (places []place, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	at, rest := "/", strings.Split(path, "/")
	for len(rest) > 0 && len(places) < maxLinks {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		link, err := os.Readlink(next)
		if err != nil {
			at = next
			continue
		}
		places = append(places, place{path: next, readOnly: true, fd: -1, link: link})
		if filepath.IsAbs(link) {
			at = "/"
		}
		rest = append(strings.Split(link, "/"), rest...)
	}
	pl, err := open(at, readOnly)
	if err != nil {
		return places, err
	}
	return append(places, pl), nil
}

func open(path string, readOnly bool) (place, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return place{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return place{}, errors.Join(err, unix.Close(fd))
	}
	return place{path: path, readOnly: readOnly, fd: fd, dir: stat.Mode&unix.S_IFMT == unix.S_IFDIR}, nil
}

// put puts the place where it is on the host, unless it is there: a directory above
// it may be.
func (pl place) put(stage string) error {
	at := filepath.Join(stage, pl.path)
	if _, err := os.Lstat(at); err == nil && pl.readOnly {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if pl.fd < 0 {
		return ignoreExisting(os.Symlink(pl.link, at))
	}
	if err := pl.mountPoint(at); err != nil {
		return err
	}
	if err := unix.Mount("/proc/self/fd/"+strconv.Itoa(pl.fd), at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !pl.readOnly {
		return nil
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(at, &stat); err != nil {
		return err
	}
	// A user namespace may not take away the flags that the host's mount has.
	kept := uintptr(stat.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	return unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|kept, "")
}

func (pl place) mountPoint(at string) error {
	if pl.dir {
		return ignoreExisting(os.Mkdir(at, 0o755))
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return ignoreExisting(err)
	}
	return f.Close()
}

func ignoreExisting(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
