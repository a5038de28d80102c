package guestfiles

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/pkg/sftp"
)

const (
	// blocksUnderWay is how many writes of a file wait for the guest at once.
	blocksUnderWay = 64
	// progressEvery is the least time between two calls of a Progress.
	progressEvery = 50 * time.Millisecond
)

// Progress is told how far a copy is: the file under way, the bytes copied so
// far, and the bytes in all, or 0 when that is not known. It is called from one
// goroutine at a time, 20 times a second at most, and must not block.
type Progress func(name string, done, total int64)

// meter counts the bytes of a copy.
type meter struct {
	tell  Progress // may be nil
	now   func() time.Time
	total int64 // 0: not known

	mu   sync.Mutex
	last time.Time
	done int64
}

func newMeter(tell Progress) *meter { return &meter{tell: tell, now: time.Now} }

func (m *meter) add(name string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += int64(n)
	if m.tell == nil || m.now().Sub(m.last) < progressEvery {
		return
	}
	m.last = m.now()
	m.tell(name, m.done, m.total)
}

// copy is io.Copy that counts, and that ends when ctx does. It takes the fast
// ways of SFTP's files, which keep many blocks under way at once.
func (m *meter) copy(ctx context.Context, name string, w io.Writer, r io.Reader) error {
	var err error
	if to, ok := w.(*sftp.File); ok {
		_, err = to.ReadFromWithConcurrency(&countedReader{ctx: ctx, r: r, name: name, meter: m}, blocksUnderWay)
	} else if from, ok := r.(*sftp.File); ok {
		_, err = from.WriteTo(&countedWriter{ctx: ctx, w: w, name: name, meter: m})
	} else {
		_, err = io.Copy(w, &countedReader{ctx: ctx, r: r, name: name, meter: m})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

type countedReader struct {
	ctx   context.Context
	r     io.Reader
	name  string
	meter *meter
}

// Read is part of io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.meter.add(c.name, n)
	return n, err
}

type countedWriter struct {
	ctx   context.Context
	w     io.Writer
	name  string
	meter *meter
}

// Write is part of io.Writer.
func (c *countedWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.meter.add(c.name, n)
	return n, err
}
