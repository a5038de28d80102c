// Package kernelbundle packs imported kernels into tarballs that catalogs name, and
// unpacks those of others, of which it trusts nothing.
package kernelbundle

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// The bounds of what is unpacked.
const (
	maxEntries = 4096
	maxName    = 512
	maxDepth   = 8
	maxFile    = 2 << 30  // bytes of one file
	maxTotal   = 4 << 30  // bytes of all
	maxWindow  = 64 << 20 // bytes of memory that a zstd frame may ask for
)

// Unpack puts the files of the bundle r, a tar compressed by zstd, into dir, which
// is empty. Only regular files, directories and links that stay inside are taken:
// anything else, a name that leaves dir or stands there twice, and more than a
// kernel has, are Invalid. On an error dir holds what came before it.
func Unpack(ctx context.Context, r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it was only looked through
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return err
	}
	defer z.Close()
	u := &unpacker{ctx: ctx, root: root, room: statedir.NewRoom(dir), dir: dir}
	in := tar.NewReader(z)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return u.checkLinks()
		}
		if err != nil {
			return u.malformed(err)
		}
		if u.entries++; u.entries > maxEntries {
			return fault.New(fault.Invalid, "the bundle has more than %d files", maxEntries)
		}
		if err := u.add(h, in); err != nil {
			return err
		}
	}
}

type unpacker struct {
	ctx     context.Context
	root    *os.Root
	room    *statedir.Room
	dir     string
	entries int
	total   int64
	links   []string
}

// malformed tells what is wrong with the stream from what is wrong with the host.
func (u *unpacker) malformed(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "cannot unpack the bundle")
}

func (u *unpacker) add(h *tar.Header, content io.Reader) error {
	if err := u.ctx.Err(); err != nil {
		return context.Cause(u.ctx)
	}
	name, err := checkName(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		err = u.root.MkdirAll(name, 0o700)
	case tar.TypeReg:
		if err = u.makeParent(name); err == nil {
			err = u.write(name, h.Size, content)
		}
	case tar.TypeSymlink:
		if err = checkLink(name, h.Linkname); err != nil {
			return err
		}
		if err = u.makeParent(name); err == nil {
			u.links = append(u.links, name)
			err = u.root.Symlink(h.Linkname, name)
		}
	case tar.TypeLink:
		var old string
		if old, err = checkName(h.Linkname); err != nil {
			return err
		}
		if err = u.makeParent(name); err == nil {
			err = u.root.Link(old, name)
		}
	default:
		return fault.New(fault.Invalid, "the bundle has %q, whose type %q is neither a file, a directory nor a link", h.Name, h.Typeflag)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || isEscape(err) {
		return fault.Wrap(fault.Invalid, err, "the bundle has %q in an impossible place", h.Name)
	}
	return statedir.DiskFault(err, path.Join(u.dir, name))
}

// isEscape reports what os.Root refuses because a link leads out, or to no directory.
func isEscape(err error) bool {
	bad, ok := errors.AsType[*fs.PathError](err)
	return ok && (strings.Contains(bad.Err.Error(), "escapes") || strings.Contains(bad.Err.Error(), "not a directory"))
}

func (u *unpacker) makeParent(name string) error {
	if parent := path.Dir(name); parent != "." {
		return u.root.MkdirAll(parent, 0o700)
	}
	return nil
}

func (u *unpacker) write(name string, size int64, content io.Reader) (err error) {
	if u.total += size; size > maxFile || u.total > maxTotal {
		return fault.New(fault.Invalid, "the bundle is larger than %s unpacked, or %s of it", fault.Bytes(maxTotal), name)
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, min(size+1, 1<<20)) // of the most files, which are small, not a MiB each
	for {
		if err := u.ctx.Err(); err != nil {
			return context.Cause(u.ctx)
		}
		n, err := content.Read(buf)
		if rerr := u.room.Take(int64(n)); rerr != nil {
			return rerr
		}
		if _, werr := f.Write(buf[:n]); werr != nil {
			return statedir.DiskFault(werr, path.Join(u.dir, name))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return u.malformed(err)
		}
	}
}

// checkName returns the name that an entry gets, which is inside.
func checkName(name string) (string, error) {
	clean := path.Clean(name)
	bad := func(why string) error {
		return fault.New(fault.Invalid, "the bundle has a file called %.100q: %s", name, why)
	}
	switch {
	case name == "" || len(name) > maxName || strings.ContainsRune(name, 0):
		return "", bad("it is not a name")
	case path.IsAbs(name):
		return "", bad("it is absolute")
	case !fs.ValidPath(clean) || strings.Contains("/"+name+"/", "/../"):
		return "", bad("it is outside the bundle")
	case strings.Count(clean, "/") >= maxDepth:
		return "", bad("it is too deep")
	}
	return clean, nil
}

// checkLinks refuses links that leave the bundle by way of other links, which only shows
// when all are there.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		if _, err := u.root.Stat(name); err != nil {
			return fault.Wrap(fault.Invalid, err, "the bundle has a link %q to nothing in it", name)
		}
	}
	return nil
}

// checkLink refuses a symbolic link that leads out of the bundle.
func checkLink(name, target string) error {
	if target == "" || len(target) > maxName || path.IsAbs(target) || !fs.ValidPath(path.Join(path.Dir(name), target)) || strings.ContainsRune(target, 0) {
		return fault.New(fault.Invalid, "the bundle has a link %q to %.100q, which is outside it", name, target)
	}
	return nil
}
