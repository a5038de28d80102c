package rootfs

import (
	"context"
	"errors"
	"os"

	"github.com/bangervm/banger/internal/diskclone"
	"github.com/bangervm/banger/internal/statedir"
)

// Clone makes dst, which must not exist, a copy of src on disk for good: by reflink
// where the filesystem can, else by copying what is not a hole. On an error, or when
// ctx ends, it leaves no file. What is not a regular file is a fault Invalid; a full disk is a fault Unavailable.
func Clone(ctx context.Context, src, dst string) error {
	err := diskclone.Clone(ctx, src, dst, diskclone.Options{})
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
