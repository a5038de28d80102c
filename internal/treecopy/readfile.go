package treecopy

import (
	"context"
	"errors"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// blocks is the unit of a file's blocks in stat(2), in bytes.
const blocks = 512

// file writes one regular file: by the name it had before, when it is the same.
func (r *Reader) file(fd int, st *unix.Stat_t, rel, name string) error {
	same := inode{st.Dev, st.Ino}
	if st.Nlink > 1 {
		if before, ok := r.links[same]; ok {
			return r.W.Text(entry(agentrpc.TreeSame, rel, st), before)
		}
	}
	kept, whole := r.have.of(rel, st)
	if whole {
		r.remember(same, st, rel)
		return nil
	}
	e := entry(agentrpc.TreePieces, rel, st)
	e.Size = st.Size
	if err := r.W.Entry(e, nil); err != nil {
		return err
	}
	in := &reading{ctx: r.ctx, fd: fd, name: name, counted: r.Counted}
	err := r.data(in, st, kept)
	if failed, ok := errors.AsType[*agentrpc.TreeWriteError](err); ok || err != nil && r.ctx.Err() != nil {
		if ok {
			err = failed.Err
		}
		return err
	}
	if err != nil {
		if err := r.W.VoidPieces(); err != nil {
			return err
		}
		return r.note(rel, err)
	}
	r.remember(same, st, rel)
	if err := r.W.EndPieces(); err != nil {
		return err
	}
	if st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 && !r.SetID {
		return tell(r.Noted, Note{Path: rel, Why: "copied without its set-user-ID and set-group-ID bits"})
	}
	return nil
}

func (r *Reader) remember(same inode, st *unix.Stat_t, rel string) {
	if st.Nlink > 1 && len(r.links) < maxLinks {
		r.links[same] = rel
	}
}

// data writes what the file holds: up to the size that it had when it was opened,
// or all when it had none, as files of the kernel do.
func (r *Reader) data(in *reading, st *unix.Stat_t, kept int64) error {
	if kept > 0 {
		if err := r.W.Kept(kept); err != nil {
			return streamed(err)
		}
		if _, err := unix.Seek(in.fd, kept, unix.SEEK_SET); err != nil {
			return err
		}
	}
	switch {
	case st.Size == 0:
		_, err := r.W.Data(in, math.MaxInt64)
		return err
	case st.Blocks*blocks >= st.Size:
		_, err := r.W.Data(in, st.Size-kept)
		return err
	}
	return r.sparse(in, st, kept)
}

// sparse writes what the file holds from at on, without its holes.
func (r *Reader) sparse(in *reading, st *unix.Stat_t, at int64) error {
	for at < st.Size {
		data, err := unix.Seek(in.fd, at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO): // a hole up to the end
			return streamed(r.W.Hole(st.Size - at))
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP): // no holes in this filesystem
			_, err := r.W.Data(in, st.Size-at)
			return err
		case err != nil:
			return err
		}
		data = min(data, st.Size)
		if err := r.W.Hole(data - at); err != nil {
			return streamed(err)
		}
		end, err := unix.Seek(in.fd, data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := unix.Seek(in.fd, data, unix.SEEK_SET); err != nil {
			return err
		}
		end = min(end, st.Size)
		n, err := r.W.Data(in, end-data)
		if err != nil {
			return err
		}
		if n < end-data { // cut short meanwhile
			return nil
		}
		at = end
	}
	return nil
}

func streamed(err error) error {
	if err == nil {
		return nil
	}
	return &agentrpc.TreeWriteError{Err: err}
}

// reading is a file that is read without the runtime's poller, until ctx ends.
type reading struct {
	ctx     context.Context
	fd      int
	name    string
	counted func(name string, n int)
}

func (f *reading) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	for {
		n, err := unix.Read(f.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		if f.counted != nil {
			f.counted(f.name, n)
		}
		return n, nil
	}
}
