package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// maxDepth bounds how deep a tree is followed: a guest could make one without end.
const maxDepth = 200

// copier is one copy under way.
type copier struct {
	ctx   context.Context
	from  source
	to    target
	meter *meter
}

// copyTree copies src to dst, or into dst when that is a directory.
func copyTree(ctx context.Context, from source, src string, to guestFiles, dst string, meter *meter) error {
	name, err := landing(src, dst, func() (fs.FileInfo, error) { return to.Stat(path.Clean(dst)) })
	if err != nil {
		return err
	}
	if meter.live() {
		meter.total = treeBytes(src)
	}
	c := &copier{ctx: ctx, from: from, to: to, meter: meter}
	return c.top(src, name)
}

// copyToHost is copyTree to this host, below the directory that dst names or stands in.
func copyToHost(ctx context.Context, from guestFiles, src, dst string, meter *meter) error {
	name, err := landing(src, dst, func() (fs.FileInfo, error) { return os.Stat(path.Clean(dst)) })
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if base := filepath.Base(name); base != "." && base != ".." && base != "/" {
		c := &copier{ctx: ctx, from: from, to: rootFiles{root}, meter: meter}
		return c.top(src, base)
	}
	inside, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = inside.Close() }()
	c := &copier{ctx: ctx, from: from, to: rootFiles{inside}, meter: meter}
	return c.top(src, ".")
}

// landing returns the name that src gets: dst itself, or a name in it when it
// is a directory. "DIR/." as src means what is in DIR.
func landing(src, dst string, stat func() (fs.FileInfo, error)) (string, error) {
	info, err := stat()
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
	return c.replace(name, in, info.Mode(), info.ModTime())
}

// replace writes beside name and renames, so that name is the old file or the new.
func (c *copier) replace(name string, in io.Reader, mode fs.FileMode, modified time.Time) error {
	if before, err := c.to.Lstat(name); err == nil && before.IsDir() {
		return fault.New(fault.Conflict, "%s is a directory", name)
	}
	staging := stagingName(name)
	out, err := c.to.Create(staging)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, statErr := c.to.Lstat(path.Dir(name)); statErr == nil && dir.IsDir() {
			return fault.New(fault.Invalid, "no file can be made in %s, which is of a file system without files of its own", path.Dir(name))
		}
		return fault.New(fault.NotFound, "the directory %s does not exist", path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = c.meter.copy(c.ctx, path.Base(name), out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = c.to.Finish(staging, mode, modified)
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

// streamIn writes r to a file of the guest.
func streamIn(ctx context.Context, r io.Reader, to guestFiles, dst string, meter *meter) error {
	if info, err := to.Stat(dst); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "%s is a directory, and stdin has no name", dst).WithHint("name the file: %s", path.Join(dst, "FILE"))
	}
	c := &copier{ctx: ctx, to: to, meter: meter}
	return c.replace(path.Clean(dst), r, 0o644, time.Now())
}

// streamOut writes a file of the guest to w.
func streamOut(ctx context.Context, from guestFiles, src string, w io.Writer, meter *meter) error {
	info, err := from.Stat(src)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fault.New(fault.Invalid, "%s is a directory", src).WithHint("banger exec NAME -- tar c -C %s .", src)
	}
	in, err := from.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return meter.copy(ctx, path.Base(src), w, in)
}

// treeBytes is what the regular files at src hold, as far as it can be known.
func treeBytes(src string) int64 {
	var total int64
	_ = filepath.WalkDir(src, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // the copy itself will say so
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
