package configure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bounds are what a copy may take at most.
type bounds struct{ bytes, entries int64 }

// inode is a file by which its hard links are known.
type inode struct{ dev, ino uint64 }

type treeCopy struct {
	from, to string
	left     bounds
	linked   map[inode]string // where the first name of a file with several is
}

// copyTree copies what is in the directory from into the directory to, which
// gets from's owner, mode and times too: all kinds of files, with owners, modes,
// times, extended attributes and hard links. It ends with ctx, or where more would
// be copied than limit says.
func copyTree(ctx context.Context, from, to string, limit bounds) error {
	t := &treeCopy{from: from, to: to, left: limit, linked: map[inode]string{}}
	var dirs []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, name)
		}
		return t.entry(name)
	})
	for i := len(dirs) - 1; err == nil && i >= 0; i-- { // what is made in one changes its times
		err = t.times(dirs[i])
	}
	return err
}

func (t *treeCopy) entry(name string) error {
	from, to := filepath.Join(t.from, name), filepath.Join(t.to, name)
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: from, Err: err}
	}
	if t.left.entries--; t.left.entries < 0 {
		return errors.New("the image has too many files there")
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		id := inode{st.Dev, st.Ino}
		if first, ok := t.linked[id]; ok {
			return os.Link(first, to)
		}
		t.linked[id] = to
	}
	if err := t.create(from, to, st); err != nil {
		return err
	}
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := copyAttributes(from, to); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return t.times(name)
	}
	if err := unix.Chmod(to, st.Mode&0o7777); err != nil { // behind chown, which takes set-id bits away
		return &fs.PathError{Op: "chmod", Path: to, Err: err}
	}
	return t.times(name)
}

func (t *treeCopy) create(from, to string, st unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if to == filepath.Clean(t.to) {
			return nil
		}
		return os.Mkdir(to, 0o700)
	case unix.S_IFREG:
		return t.file(from, to, st.Size)
	case unix.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	default:
		if err := unix.Mknod(to, st.Mode&unix.S_IFMT|0o600, int(st.Rdev)); err != nil {
			return &fs.PathError{Op: "mknod", Path: to, Err: err}
		}
		return nil
	}
}

func (t *treeCopy) file(from, to string, size int64) error {
	if t.left.bytes -= size; t.left.bytes < 0 {
		return errors.New("the image has too much there")
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// maxAttributes bounds the names, and each value, of a file's extended attributes:
// ext4 has 64 KiB at most.
const maxAttributes = 64 << 10

func copyAttributes(from, to string) error {
	names := make([]byte, maxAttributes)
	n, err := unix.Llistxattr(from, names)
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: from, Err: err}
	}
	value := make([]byte, maxAttributes)
	for name := range bytes.SplitSeq(bytes.TrimRight(names[:n], "\x00"), []byte{0}) {
		if len(name) == 0 {
			continue
		}
		m, err := unix.Lgetxattr(from, string(name), value)
		if err == nil {
			err = unix.Lsetxattr(to, string(name), value[:m], 0)
		}
		if err != nil {
			return &fs.PathError{Op: "copy the attribute " + string(name) + " of", Path: from, Err: err}
		}
	}
	return nil
}

func (t *treeCopy) times(name string) error {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(t.from, name), &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	to := filepath.Join(t.to, name)
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}
