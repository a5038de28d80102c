package rootfs

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// Clone makes dst, which must not exist, a copy of src on disk for good: by reflink
// where the filesystem can, else by copying what is not a hole. On an error, or when
// ctx ends, it leaves no file. What is not a regular file is a fault Invalid; a full disk is a fault Unavailable.
func Clone(ctx context.Context, src, dst string) error {
	err := cloneFile(ctx, src, dst)
	if err == nil {
		err = syncFile(dst)
	}
	return statedir.DiskFault(err, dst)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// cloneFile makes dst, which must not exist, a copy of src.
func cloneFile(ctx context.Context, src, dst string) (err error) {
	in, _, err := regularfile.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(dst)
		}
	}()
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	return copySparse(ctx, in, out)
}

// copySparse copies the data of in, and leaves its holes as holes.
func copySparse(ctx context.Context, in, out *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for start := int64(0); start < info.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := unix.Seek(int(in.Fd()), start, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(out, io.NewSectionReader(in, data, hole-data)); err != nil {
			return err
		}
		start = hole
	}
	return nil
}
