package download

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	tries     = 4 // to go on after a connection that broke
	keepFor   = 7 * 24 * time.Hour
	readChunk = 256 << 10
)

// Fetched is a file that is whole and verified, open at its beginning, so that a Prune takes
// nothing from its reader.
type Fetched struct {
	*os.File

	URL string // which sent its last bytes, in this call or in an earlier one
}

// Remove removes the file, when it has been used. The caller closes it too.
func (f Fetched) Remove() error { return remove(f.Name()) }

func remove(path string) error {
	var errs []error
	for _, name := range []string{path, path + fromSuffix} {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// fromSuffix is that of the small file beside an unfinished one which says the URL that its
// last bytes are from.
const fromSuffix = ".url"

// File fetches the file with this sha256 (hex) and size in bytes. The caller closes it,
// and removes it when it is used. What a call that was cut off or cancelled has fetched, the next one goes on
// from. What has another hash, or more than size bytes, is Invalid and removed; a
// server that stops or trickles is Unavailable. It is Busy while another call
// fetches the same file.
func (c *Client) File(ctx context.Context, address, sum string, size int64, p operation.Progress) (Fetched, error) {
	if err := catalog.CheckURL(address); err != nil {
		return Fetched{}, err
	}
	if !catalog.ValidSHA256(sum) || size <= 0 {
		return Fetched{}, fault.New(fault.Invalid, "%s has no valid hash and size", address)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return Fetched{}, statedir.DiskFault(err, c.dir)
	}
	release, err := c.take(sum)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", address, err)
	}
	defer release()
	path := filepath.Join(c.dir, sum)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return Fetched{}, statedir.DiskFault(err, path)
	}
	t := &transfer{c: c, address: address, size: size, f: f, hash: sha256.New(), progress: p, room: statedir.NewRoom(c.dir), path: path}
	err = t.run(ctx, sum)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if t.spoilt {
		err = errors.Join(err, remove(path))
	}
	if err != nil {
		return Fetched{}, errors.Join(err, statedir.DiskFault(f.Close(), path))
	}
	return Fetched{f, t.from}, nil
}

func (c *Client) take(sum string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[sum] {
		return nil, fault.New(fault.Busy, "the file is already being downloaded").WithHint("try again when that is done")
	}
	c.busy[sum] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.busy, sum)
	}, nil
}

// Sweep removes what was left unfinished a week ago.
func (c *Client) Sweep(ctx context.Context) error {
	_, err := c.drop(ctx, func(info fs.FileInfo) bool { return c.opts.Now().Sub(info.ModTime()) >= keepFor })
	return err
}

// Prune removes all that is unfinished and that no call is fetching, and returns how many
// bytes that was.
func (c *Client) Prune(ctx context.Context) (int64, error) {
	return c.drop(ctx, func(fs.FileInfo) bool { return true })
}

// Unfinished is what Prune would remove, in bytes.
func (c *Client) Unfinished(ctx context.Context) (int64, error) {
	var sum int64
	err := c.idle(ctx, func(_ string, info fs.FileInfo) error {
		sum += info.Size()
		return nil
	})
	return sum, err
}

func (c *Client) drop(ctx context.Context, which func(fs.FileInfo) bool) (removed int64, err error) {
	err = c.idle(ctx, func(path string, info fs.FileInfo) error {
		if !which(info) {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		removed += info.Size()
		return nil
	})
	return removed, err
}

// idle calls do with each file that no call is fetching, which none begins to fetch meanwhile.
func (c *Client) idle(ctx context.Context, do func(path string, info fs.FileInfo) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, _, _ := strings.Cut(e.Name(), ".")
		info, err := e.Info()
		if err != nil || c.busy[sum] {
			continue
		}
		if err := do(filepath.Join(c.dir, e.Name()), info); err != nil {
			return err
		}
	}
	return nil
}
