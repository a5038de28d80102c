package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Fetched is a file that is whole and verified.
type Fetched struct {
	Path string
	URL  string // which sent its last bytes, in this call or in an earlier one
}

// Remove removes the file, when it has been used.
func (f Fetched) Remove() error { return errors.Join(os.Remove(f.Path), os.Remove(f.Path+fromSuffix)) }

// fromSuffix is that of the small file beside an unfinished one which says the URL that its
// last bytes are from.
const fromSuffix = ".url"

// File fetches the file with this sha256 (hex) and size in bytes. The caller removes it
// when it is used. What a call that was cut off or cancelled has fetched, the next one goes on
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
	err = t.run(ctx)
	if got := hex.EncodeToString(t.hash.Sum(nil)); err == nil && got != sum {
		err = fault.New(fault.Invalid, "%s has the sha256 %s; the catalog says %s", address, got, sum).
			WithHint("try again later; if it happens again, tell the catalog's publisher")
		t.spoilt = true
	}
	err = errors.Join(err, statedir.DiskFault(f.Close(), path))
	if t.spoilt {
		err = errors.Join(err, Fetched{Path: path}.Remove())
	}
	if err != nil {
		return Fetched{}, err
	}
	return Fetched{Path: path, URL: t.from}, nil
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
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || c.opts.Now().Sub(info.ModTime()) < keepFor {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
