package treecopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

const createFile = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC

// file writes a file's pieces beside its name, and renames. A file that its
// reader gave up leaves what was there.
func (w *Writer) file(ctx context.Context, p string, e agentrpc.TreeEntry) error {
	dir, name := cut(p)
	at, err := w.dirs.enter(dir)
	if err != nil {
		return err
	}
	if e.Size > writeBuffer && isDirectory(at, name) { // else the rename says so
		return refuse(CodeConflict, "%s is a directory", w.dirs.target.shown(p))
	}
	first, err := w.tree.Piece()
	if err != nil && !errors.Is(err, io.EOF) {
		return w.given(err)
	}
	ended := err != nil
	staged, fd, err := w.openStaged(at, name, dir, p, first)
	if err != nil {
		return err
	}
	if !ended {
		err = w.pieces(ctx, fd, name, p, first)
	}
	interrupted := err != nil
	if err == nil {
		err = w.finish(fd, p, e.Mode&w.mask(), e.ModTime)
	}
	keep := interrupted && w.KeepPart && !errors.Is(err, agentrpc.ErrPieces) && setTime(fd, e.ModTime) == nil
	if closeErr := unix.Close(fd); err == nil && closeErr != nil {
		err = failure("close", w.dirs.target.shown(p), closeErr)
	}
	if err == nil {
		err = w.become(at, staged, name, p)
	}
	switch {
	case err == nil:
		return nil
	case !keep || unix.Renameat(at, staged, at, partName(name)) != nil:
		_ = unix.Unlinkat(at, staged, 0)
	}
	return w.given(err)
}

// given is the error of a file, or nil when only its reader gave it up: a note follows.
func (w *Writer) given(err error) error {
	if errors.Is(err, agentrpc.ErrPieces) {
		return nil
	}
	return err
}

// openStaged opens what a file is written to: a new one, or the part of it that an
// earlier copy left.
func (w *Writer) openStaged(at int, name, dir, p string, first agentrpc.Piece) (staged string, fd int, err error) {
	staged = w.stage()
	if first.Kept {
		var st unix.Stat_t
		part := partName(name)
		fd, err = unix.Openat(at, part, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Size < first.Length) {
			err = unix.ESTALE
		}
		if err == nil {
			err = unix.Renameat(at, part, at, staged)
		}
		if err != nil {
			return "", 0, failure("go on with", w.dirs.target.shown(p), err)
		}
		return staged, fd, nil
	}
	fd, err = unix.Openat(at, staged, createFile, 0o600)
	if errors.Is(err, unix.ENOENT) {
		return "", 0, refuse(CodeInvalid, "cannot create a file in %s: its file system has no regular files", w.dirs.target.shown(dir))
	}
	if err != nil {
		return "", 0, failure("create", w.dirs.target.shown(p), err)
	}
	if w.KeepPart {
		_ = unix.Unlinkat(at, partName(name), 0) // of an earlier copy, and of no more use
	}
	return staged, fd, nil
}

func isDirectory(at int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func (w *Writer) finish(fd int, p string, mode uint32, modified time.Time) error {
	if err := unix.Fchmod(fd, mode); err != nil {
		return failure("chmod", w.dirs.target.shown(p), err)
	}
	if err := setTime(fd, modified); err != nil {
		return failure("set the time of", w.dirs.target.shown(p), err)
	}
	return nil
}

// pieces writes a file's pieces, the first of which was read.
func (w *Writer) pieces(ctx context.Context, fd int, name, p string, piece agentrpc.Piece) error {
	var size, written int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if piece.Kept && size > 0 {
			return fmt.Errorf("%w: an odd piece", agentrpc.ErrTree)
		}
		if size += piece.Length; size < 0 {
			return agentrpc.ErrTree
		}
		if !piece.Hole && !piece.Kept {
			if err := w.data(fd, size-piece.Length, piece.Length, name, p); err != nil {
				return err
			}
			written = size
		}
		var err error
		if piece, err = w.tree.Piece(); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if written == size {
		return nil
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return failure("write", w.dirs.target.shown(p), err)
	}
	return nil
}

// data writes the next bytes of the tree at an offset.
func (w *Writer) data(fd int, offset, length int64, name, p string) error {
	for length > 0 {
		part := w.buf[:min(int64(len(w.buf)), length)]
		if _, err := io.ReadFull(w.tree, part); err != nil {
			return err
		}
		if err := writeAt(fd, part, offset); err != nil {
			return failure("write", w.dirs.target.shown(p), err)
		}
		offset += int64(len(part))
		length -= int64(len(part))
		if w.Counted != nil {
			w.Counted(name, len(part))
		}
	}
	return nil
}

func writeAt(fd int, p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, offset)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

// same makes p the file that an earlier record of this top made, or a copy of it
// where the filesystem has no more names for it.
func (w *Writer) same(p string) error {
	text, err := io.ReadAll(w.tree)
	if err != nil {
		return err
	}
	if err := agentrpc.CheckTreePath(string(text)); err != nil {
		return err
	}
	dir, name := cut(p)
	at, err := w.dirs.enter(dir)
	if err != nil {
		return err
	}
	otherDir, other := cut(joined(w.top, string(text)))
	from, err := w.dirs.lookUp(otherDir)
	if err != nil {
		return failure("link", w.dirs.target.shown(p), err)
	}
	defer func() { _ = unix.Close(from) }()
	staged := w.stage()
	err = unix.Linkat(from, other, at, staged, 0)
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EPERM), errors.Is(err, unix.EMLINK), errors.Is(err, unix.EOPNOTSUPP):
		err = duplicate(from, other, at, staged)
	case err == nil:
		defer func() { _ = unix.Unlinkat(at, staged, 0) }() // a rename to a name of the same file leaves both
	}
	if err != nil {
		return failure("link", w.dirs.target.shown(p), err)
	}
	if err := w.become(at, staged, name, p); err != nil {
		_ = unix.Unlinkat(at, staged, 0)
		return err
	}
	return nil
}

func joined(top, p string) string {
	if top == "." {
		return p
	}
	return top + "/" + p
}

// duplicate copies a regular file with its mode and time.
func duplicate(from int, name string, at int, staged string) error {
	in, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(in) }()
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EINVAL
	}
	out, err := unix.Openat(at, staged, createFile, 0o600)
	if err != nil {
		return err
	}
	buf, offset := make([]byte, writeBuffer), int64(0)
	for err == nil {
		var n int
		n, err = unix.Pread(in, buf, offset)
		if n <= 0 {
			break
		}
		err = writeAt(out, buf[:n], offset)
		offset += int64(n)
	}
	err = errors.Join(err, unix.Fchmod(out, st.Mode&0o7777), setTime(out, time.Unix(st.Mtim.Unix())), unix.Close(out))
	if err != nil {
		_ = unix.Unlinkat(at, staged, 0)
	}
	return err
}
