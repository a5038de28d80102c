package statedir

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Link makes to, which must not exist, the file from, which changes no more; or a copy of
// it, on disk for good, by reflink where the filesystem can: another filesystem has no
// links to this one's files, and some have none at all. On an error there may be half a copy.
func Link(from, to string) error {
	if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // read only
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}
