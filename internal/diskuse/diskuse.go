// Package diskuse measures what files take on the host's disk. What several share, by
// hard links or by reflinks, counts once.
package diskuse

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Meter adds up files. What was counted before adds nothing. It is not safe for
// concurrent use.
type Meter struct {
	seen   map[inode]bool
	shared map[uint64]*ranges // by device
}

type inode struct{ device, number uint64 }

// New returns a Meter that has counted nothing.
func New() *Meter { return &Meter{seen: map[inode]bool{}, shared: map[uint64]*ranges{}} }

// Add returns the bytes that a file, or a directory with all below it, takes and that
// were not counted before. It follows no links, but path itself may be one. What goes away meanwhile, or cannot be
// read, counts nothing. It returns ctx's error when that ends.
func (m *Meter) Add(ctx context.Context, path string) (int64, error) {
	total := int64(0)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return nil //nolint:nilerr // it went away, or is not ours
		}
		total += m.file(path)
		return nil
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return total, err
}

// file counts one name.
func (m *Meter) file(path string) int64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	key := inode{st.Dev, st.Ino}
	if m.seen[key] {
		return 0
	}
	m.seen[key] = true
	size := st.Blocks * 512
	if st.Mode&unix.S_IFMT == unix.S_IFREG && size > 0 {
		size -= m.counted(path, st.Dev)
	}
	return max(0, size)
}

// counted is how many of a file's bytes are those of files before, by reflinks.
func (m *Meter) counted(path string, device uint64) int64 {
	extents, err := sharedExtents(path)
	if err != nil || len(extents) == 0 {
		return 0
	}
	r := m.shared[device]
	if r == nil {
		r = &ranges{}
		m.shared[device] = r
	}
	before := int64(0)
	for _, e := range extents {
		before += e.bytes() - r.add(e)
	}
	return before
}
