package oci

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/statedir"
)

// pins are the blobs that pulls under way need, by their digests.
type pins struct {
	mu     sync.Mutex
	counts map[string]int
}

// hold keeps the layers' blobs from being evicted until release is called.
func (p *pins) hold(layers []layer) (release func()) {
	add := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, l := range layers {
			if p.counts[l.digest] += n; p.counts[l.digest] == 0 {
				delete(p.counts, l.digest)
			}
		}
	}
	add(1)
	return func() { add(-1) }
}

func (p *pins) has(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[digest] > 0
}

// used notes that a blob is of use now.
func (c cache) used(digest string, now time.Time) {
	// A cache on a disk that takes no changes serves all the same.
	_ = os.Chtimes(c.path(digest), now, now)
}

// blob is one in the cache.
type blob struct {
	name  string // of the file: hex digits
	bytes int64  // on disk
	used  time.Time
}

// blobs returns those that are whole and not pinned, least lately used first, and what
// all take on disk.
func (c cache) blobs(ctx context.Context, p *pins) (free []blob, total int64, err error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, "sha256"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasSuffix(entry.Name(), statedir.StagingSuffix) {
			continue
		}
		b := blob{name: entry.Name(), bytes: info.Size(), used: info.ModTime()}
		total += b.bytes
		if !p.has("sha256:" + b.name) {
			free = append(free, b)
		}
	}
	slices.SortFunc(free, func(a, b blob) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	return free, total, nil
}

// evict removes blobs, least lately used first, until all take at most most bytes. It
// returns how many bytes went. What a pull under way needs stays.
func (c cache) evict(ctx context.Context, p *pins, most int64) (int64, error) {
	free, total, err := c.blobs(ctx, p)
	if err != nil {
		return 0, err
	}
	gone := int64(0)
	for _, b := range free {
		if total-gone <= most {
			break
		}
		if p.has("sha256:" + b.name) {
			continue
		}
		if err := os.Remove(filepath.Join(c.dir, "sha256", b.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, err
		}
		gone += b.bytes
	}
	return gone, nil
}

// Evictable returns what PruneCache would free, in bytes.
func (c *Client) Evictable(ctx context.Context) (int64, error) {
	free, _, err := c.cache.blobs(ctx, &c.pins)
	n := int64(0)
	for _, b := range free {
		n += b.bytes
	}
	return n, err
}

// PruneCache removes all blobs but those that a pull under way needs, and returns how
// many bytes went.
func (c *Client) PruneCache(ctx context.Context) (int64, error) {
	return c.cache.evict(ctx, &c.pins, 0)
}

// trim keeps the cache within its ceiling after a pull. What goes wrong is only logged:
// the image is there.
func (c *Client) trim(ctx context.Context) {
	if c.opts.CacheMax == nil {
		return
	}
	gone, err := c.cache.evict(ctx, &c.pins, c.opts.CacheMax(ctx))
	if err != nil {
		c.opts.Log.Warn("keep the layer cache within its size", "error", err)
	} else if gone > 0 {
		c.opts.Log.Info("layers evicted from the cache", "bytes", gone)
	}
}
