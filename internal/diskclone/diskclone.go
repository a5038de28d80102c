// Package diskclone copies the files of disks: by reflink where the filesystem can, else
// what is not a hole.
package diskclone

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

const (
	// piece is how much is copied, in bytes, before Told hears of it and ctx is looked at.
	piece = 8 << 20
	// spare is what a copy leaves free on the filesystem, in bytes.
	spare = 64 << 20
)

// Options say how to copy. The zero value is a plain copy.
type Options struct {
	// Told, if set, hears how much of a copy is done, in bytes; first of all with 0, before
	// anything is written. A reflink is not told of.
	Told func(done, total int64)
	// NoReflink has the bytes copied, for tests.
	NoReflink bool
}

// Clone makes dst, which must not exist, a copy of src. On an error, or when ctx ends,
// it leaves no file. What is not a regular file is a fault Invalid. A copy for which the
// filesystem lacks the space is a fault Unavailable, and nothing is written.
func Clone(ctx context.Context, src, dst string, opts Options) (err error) {
	in, _, err := regularfile.Open(src)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	out, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(dst)
		}
	}()
	if !opts.NoReflink && unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	return copySparse(ctx, in, out, opts)
}

// Allocated is what a file takes on its filesystem, in bytes.
func Allocated(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st.Blocks * 512, nil
}

// CheckSpace returns the fault Unavailable if dir has no room for bytes more.
func CheckSpace(dir string, bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	free := int64(st.Bavail) * st.Bsize //nolint:gosec // a filesystem is smaller
	if free-spare >= bytes {
		return nil
	}
	return fault.New(fault.Unavailable, "no space left in %s: the copy takes %d MiB, and %d MiB are free", dir, bytes>>20, free>>20).
		WithHint("free some space there: %s, or %s", act.ImageDelete.On(""), act.VMDelete.On(""))
}

// copySparse copies the data of in, and leaves its holes as holes.
func copySparse(ctx context.Context, in, out *os.File, opts Options) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	total, err := Allocated(in)
	if err != nil {
		return err
	}
	if total > spare { // what is little is tried
		if err := CheckSpace(filepath.Dir(out.Name()), total); err != nil {
			return err
		}
	}
	if opts.Told == nil {
		opts.Told = func(int64, int64) {}
	}
	opts.Told(0, total)
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	done := int64(0)
	for at := int64(0); at < info.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, end, err := nextData(in, at)
		if err != nil || data < 0 {
			return err
		}
		n := min(piece, end-data)
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(out, io.NewSectionReader(in, data, n)); err != nil {
			return err
		}
		at, done = data+n, done+n
		opts.Told(min(done, total), total)
	}
	return nil
}

// nextData is where the data after at begins and ends; negative: only a hole is left.
func nextData(in *os.File, at int64) (data, end int64, err error) {
	data, err = unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return -1, 0, nil
	}
	if err != nil {
		return 0, 0, &os.PathError{Op: "seek", Path: in.Name(), Err: err}
	}
	if end, err = unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE); err != nil {
		return 0, 0, &os.PathError{Op: "seek", Path: in.Name(), Err: err}
	}
	return data, end, nil
}
