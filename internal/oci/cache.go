package oci

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// cache keeps blobs by their digest: <dir>/sha256/<hex>. A file there was whole
// when it was renamed in; it is verified again whenever it is read, so that
// nothing needs to be synced.
type cache struct{ dir string }

func (c cache) path(digest string) string {
	return filepath.Join(c.dir, "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// open returns the blob, or nil when it is not there.
func (c cache) open(digest string) (*os.File, error) {
	f, _, err := regularfile.Open(c.path(digest))
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	return f, err
}

// drop removes a blob that is damaged.
func (c cache) drop(digest string) error { return os.Remove(c.path(digest)) }

// scratch returns a file without a name. The caller closes it, and with that
// its space is free, whatever happens.
func (c cache) scratch() (*os.File, error) {
	f, err := c.stage()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (c cache) stage() (*os.File, error) {
	dir := filepath.Join(c.dir, "sha256")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, statedir.DiskFault(err, dir)
	}
	f, err := os.CreateTemp(dir, "*"+statedir.StagingSuffix)
	return f, statedir.DiskFault(err, filepath.Join(dir, "a blob"))
}

// keep passes r on and stores what passes; the blob is there once r has ended
// with io.EOF. The caller closes it, which discards what is not whole.
func (c cache) keep(r io.Reader, digest string) (*keeper, error) {
	f, err := c.stage()
	if err != nil {
		return nil, err
	}
	return &keeper{r: r, f: f, path: c.path(digest), room: statedir.NewRoom(c.dir)}, nil
}

type keeper struct {
	r    io.Reader
	f    *os.File
	path string
	room *statedir.Room
}

func (k *keeper) Read(b []byte) (int, error) {
	n, err := k.r.Read(b)
	if n > 0 {
		if err := k.room.Take(int64(n)); err != nil {
			return n, err
		}
		if _, err := k.f.Write(b[:n]); err != nil {
			return n, statedir.DiskFault(err, k.path)
		}
	}
	if errors.Is(err, io.EOF) && k.f != nil {
		if err := k.commit(); err != nil {
			return n, statedir.DiskFault(err, k.path)
		}
	}
	return n, err
}

func (k *keeper) commit() error {
	f := k.f
	k.f = nil
	err := f.Close()
	if err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (k *keeper) Close() error {
	if k.f == nil {
		return nil
	}
	f := k.f
	k.f = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// sweep removes what unfinished pulls left.
func (c cache) sweep(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(c.dir, "sha256", "*"+statedir.StagingSuffix))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
