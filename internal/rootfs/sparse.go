package rootfs

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/statedir"
)

const (
	pageSize = 4096
	// writebackStep is how much is written before the kernel is asked to begin
	// writing it to disk, so that the final sync has little left to do.
	writebackStep = 16 << 20
)

// sparseWriter writes a file, leaving pages of zeros as holes. It is not safe
// for concurrent use.
type sparseWriter struct {
	ctx     context.Context
	f       *os.File
	room    *statedir.Room
	pos     int64
	high    int64 // the end of what was ever written or skipped
	flushed int64
	zero    [pageSize]byte
	err     error // the first error of the file itself
}

// newSparseWriter returns a writer whose writes fail when ctx ends, or when they
// would leave too little room to others.
func newSparseWriter(ctx context.Context, f *os.File) *sparseWriter {
	return &sparseWriter{ctx: ctx, f: f, room: statedir.NewRoom(filepath.Dir(f.Name()))}
}

// Read and Seek make it the io.ReadWriteSeeker that the ext4 writer asks for.
func (w *sparseWriter) Read(b []byte) (int, error) {
	n, err := w.f.ReadAt(b, w.pos)
	w.pos += int64(n)
	return n, err
}

func (w *sparseWriter) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		w.pos = offset
	case io.SeekCurrent:
		w.pos += offset
	default:
		w.pos = w.high + offset
	}
	return w.pos, nil
}

// Write puts b at the present position. Only what lies past the end of the file
// can be left out: what is there already is always overwritten.
func (w *sparseWriter) Write(b []byte) (int, error) {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, w.err
	}
	written := 0
	for written < len(b) {
		hole, n := w.span(b[written:])
		if !hole {
			if err := w.room.Take(int64(n)); err != nil {
				w.err = err
				return written, err
			}
			if _, err := w.f.WriteAt(b[written:written+n], w.pos); err != nil {
				w.err = err
				return written, err
			}
		}
		written += n
		w.pos += int64(n)
		w.high = max(w.high, w.pos)
	}
	w.startWriteback()
	return written, nil
}

// span returns how many of b's leading bytes are alike: to be left out, or not.
func (w *sparseWriter) span(b []byte) (hole bool, n int) {
	if w.pos < w.high {
		return false, int(min(int64(len(b)), w.high-w.pos))
	}
	for n < len(b) {
		page := int(min(int64(len(b)-n), pageSize-(w.pos+int64(n))%pageSize))
		isZero := bytes.Equal(b[n:n+page], w.zero[:page])
		if n > 0 && isZero != hole {
			return hole, n
		}
		hole, n = isZero, n+page
	}
	return hole, n
}

func (w *sparseWriter) startWriteback() {
	if w.high-w.flushed < writebackStep {
		return
	}
	// A hint: what matters is the sync at the end.
	_ = unix.SyncFileRange(int(w.f.Fd()), w.flushed, w.high-w.flushed, unix.SYNC_FILE_RANGE_WRITE)
	w.flushed = w.high
}

// close gives the file its size, since it may end in a hole.
func (w *sparseWriter) close() error { return w.f.Truncate(w.high) }
