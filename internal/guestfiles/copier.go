package guestfiles

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// maxDepth bounds how deep a tree is followed: a guest could make one without end.
const maxDepth = 200

// source is where a copy reads: the host's files or a guest's.
type source interface {
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.FileInfo, error)
	ReadLink(name string) (string, error)
	Open(name string) (io.ReadCloser, error)
}

// target is where a copy writes. Names in it that exist are not followed out of it.
type target interface {
	Lstat(name string) (fs.FileInfo, error)
	Mkdir(name string) error
	// Create makes a new file that only its owner can use.
	Create(name string) (io.WriteCloser, error)
	Symlink(to, name string) error
	// Rename replaces what is at to, if it is no directory.
	Rename(from, to string) error
	Remove(name string) error
	// Finish sets the mode and the time of modification.
	Finish(name string, mode fs.FileMode, modified time.Time) error
}

// copier is one copy under way.
type copier struct {
	ctx   context.Context
	from  source
	to    target
	meter *meter
}

// landing returns the name that src gets: dst itself, or a name in it when it
// is a directory. "DIR/." as src means what is in DIR.
func landing(src, dst string, stat func(string) (fs.FileInfo, error)) (string, error) {
	info, err := stat(path.Clean(dst))
	switch {
	case err == nil && info.IsDir():
		base := path.Base(src)
		if strings.HasSuffix(src, "/.") || base == "." || base == ".." || base == "/" {
			return path.Clean(dst), nil
		}
		return path.Join(dst, base), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case strings.HasSuffix(dst, "/") && err == nil:
		return "", fault.New(fault.Invalid, "%s is not a directory", dst)
	case strings.HasSuffix(dst, "/"):
		return "", fault.New(fault.NotFound, "the directory %s does not exist", dst)
	default:
		return path.Clean(dst), nil
	}
}

// top copies what the user named; a link named by the user is followed.
func (c *copier) top(src, name string) error {
	info, err := c.from.Stat(src)
	if err != nil {
		return err
	}
	return c.entry(src, name, info, 0)
}

func (c *copier) entry(src, name string, info fs.FileInfo, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return c.directory(src, name, info, depth)
	case mode.IsRegular():
		return c.file(src, name, info)
	case mode&fs.ModeSymlink != 0:
		return c.link(src, name)
	default:
		return fault.New(fault.Invalid, "%s is not a file, directory or symbolic link (%s)", src, mode.Type())
	}
}

func (c *copier) directory(src, name string, info fs.FileInfo, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.Invalid, "%s is more than %d directories deep", src, maxDepth)
	}
	before, err := c.to.Lstat(name)
	switch {
	case err == nil && !before.IsDir():
		return fault.New(fault.Conflict, "%s exists and is not a directory", name)
	case errors.Is(err, fs.ErrNotExist):
		if err := c.to.Mkdir(name); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	entries, err := c.from.ReadDir(src)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.entry(path.Join(src, e.Name()), path.Join(name, e.Name()), e, depth+1); err != nil {
			return err
		}
	}
	if before != nil {
		return nil // one that was there keeps its mode
	}
	return c.to.Finish(name, info.Mode(), info.ModTime())
}

func (c *copier) file(src, name string, info fs.FileInfo) error {
	in, err := c.from.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return c.replace(name, in, func(staged string) error { return c.to.Finish(staged, info.Mode(), info.ModTime()) })
}

// replace writes beside name and renames, so that name is the old file or the
// new. Finish gives the staged file its mode, and what else it should have.
func (c *copier) replace(name string, in io.Reader, finish func(staged string) error) error {
	if before, err := c.to.Lstat(name); err == nil && before.IsDir() {
		return fault.New(fault.Conflict, "%s is a directory", name)
	}
	staging := stagingName(name)
	out, err := c.to.Create(staging)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, statErr := c.to.Lstat(path.Dir(name)); statErr == nil && dir.IsDir() {
			return fault.New(fault.Invalid, "cannot create a file in %s: its file system has no regular files", path.Dir(name))
		}
		return noDirectory(name)
	}
	if err != nil {
		return named(name, err)
	}
	err = named(path.Base(name), c.meter.copy(c.ctx, path.Base(name), out, in))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = finish(staging)
	}
	if err == nil {
		err = c.to.Rename(staging, name)
	}
	if err != nil {
		_ = c.to.Remove(staging)
	}
	return err
}

func (c *copier) link(src, name string) error {
	to, err := c.from.ReadLink(src)
	if err != nil {
		return err
	}
	staging := stagingName(name)
	if err := c.to.Symlink(to, staging); err != nil {
		return err
	}
	if err := c.to.Rename(staging, name); err != nil {
		_ = c.to.Remove(staging)
		return err
	}
	return nil
}

// stagingName is a new name beside name, short enough whatever name is.
func stagingName(name string) string {
	dir, _ := path.Split(name)
	return dir + ".banger-" + rand.Text()[:12] + ".staging"
}
