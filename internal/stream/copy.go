package stream

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// SmallBuffer is what an idle direction holds, in bytes; a busy one borrows
	// a large one.
	SmallBuffer = 4 << 10
	largeBuffer = 128 << 10
	// maxLarge bounds the large buffers of the process: a direction whose reader
	// takes nothing keeps its own, full.
	maxLarge = 256
)

//nolint:gochecknoglobals // caches of memory
var (
	buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
	larges  atomic.Int64 // that directions hold now
)

// takeLarge gives a direction a large buffer, or nil if there are too many.
func takeLarge() *[largeBuffer]byte {
	if larges.Add(1) > maxLarge {
		larges.Add(-1)
		return nil
	}
	return buffers.Get().(*[largeBuffer]byte)
}

func putLarge(large *[largeBuffer]byte) {
	if large != nil {
		buffers.Put(large)
		larges.Add(-1)
	}
}

// Copy passes bytes from src to dst until src ends, and then that end, by
// CloseWrite. The error is the first of a read or a write. io.Copy would hold a
// large buffer for each idle direction.
func Copy(dst io.WriteCloser, src io.Reader) error {
	small := make([]byte, SmallBuffer)
	var large *[largeBuffer]byte
	defer func() { putLarge(large) }()
	for {
		buf := small
		if large != nil {
			buf = large[:]
		}
		read, err := src.Read(buf)
		if read > 0 {
			wrote, err := dst.Write(buf[:read])
			if err != nil {
				return err
			}
			if wrote < read {
				return io.ErrShortWrite
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = CloseWrite(dst) // an end that is gone needs no end
			return nil
		case err != nil:
			return err
		case large == nil && read == len(small):
			large = takeLarge()
		case large != nil && read < len(small):
			putLarge(large)
			large = nil
		}
	}
}
