package oci

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/statedir"
)

// spools are where the contents of an image's layers are read from. An image of
// many layers holds one open file for each, and one for the sparse files of all.
type spools struct {
	layers []spool
	// anyOrder says that what was not asked for yet may be anywhere: nothing is given back.
	anyOrder bool
	side     side
}

// spool is one layer's.
type spool struct {
	plain   io.ReaderAt // the uncompressed tar
	scratch *os.File    // the same, where it was decompressed into a file; else nil
	freed   int64       // how much of scratch is no longer needed
	side    *side
	files   []*os.File // to be closed
}

// freeStep is how much of a scratch file is given back at a time.
const freeStep = 8 << 20

// free gives back the scratch file's space up to end, so that the filesystem that is
// made of it reuses it: in memory, where most of it still is, and on the disk.
func (s *spool) free(end int64) {
	if s.scratch == nil || end-s.freed < freeStep {
		return
	}
	// A hint: what stays is free when the file is closed.
	_ = unix.Fallocate(int(s.scratch.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, s.freed, end-s.freed)
	s.freed = end
}

func (c *Client) newSpools(layers int) *spools {
	return &spools{layers: make([]spool, layers), side: side{cache: c.cache}}
}

func (s *spools) layer(i int) *spool {
	s.layers[i].side = &s.side
	return &s.layers[i]
}

// Open implements flatten.Contents.
func (s *spools) Open(layer int, inSide bool, offset, size int64) io.Reader {
	if inSide {
		return io.NewSectionReader(s.side.f, offset, size)
	}
	one := &s.layers[layer]
	if !s.anyOrder {
		one.free(offset)
	}
	return io.NewSectionReader(one.plain, offset, size)
}

func (s *spools) close() error {
	var errs []error
	for _, one := range s.layers {
		for _, f := range one.files {
			errs = append(errs, f.Close())
		}
	}
	if s.side.f != nil {
		errs = append(errs, s.side.f.Close())
	}
	return errors.Join(errs...)
}

// side takes the content of sparse files. Its file is made when first needed.
type side struct {
	cache cache

	mu  sync.Mutex // guards f and end
	f   *os.File
	end int64
}

// Append implements flatten.Side.
func (s *side) Append(r io.Reader, size int64) (int64, error) {
	f, start, err := s.place(size)
	if err != nil {
		return 0, err
	}
	room := statedir.NewRoom(s.cache.dir)
	buf := make([]byte, 64<<10)
	var zeros [64 << 10]byte
	for at := start; ; {
		n, err := io.ReadFull(r, buf)
		if !bytes.Equal(buf[:n], zeros[:n]) {
			if err := room.Take(int64(n)); err != nil {
				return 0, err
			}
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return 0, statedir.DiskFault(err, filepath.Join(s.cache.dir, "a sparse file"))
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && at == start+size {
			return start, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// place finds room for size bytes, which read as zeros until they are written.
func (s *side) place(size int64) (*os.File, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		f, err := s.cache.scratch()
		if err != nil {
			return nil, 0, err
		}
		s.f = f
	}
	start := s.end
	s.end += size
	return s.f, start, statedir.DiskFault(s.f.Truncate(s.end), filepath.Join(s.cache.dir, "a sparse file"))
}
