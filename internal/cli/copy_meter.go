package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/api"
)

// blocksUnderWay is how many writes of a file wait for the guest at once.
const blocksUnderWay = 64

// meter counts the bytes of a copy, and shows them when it has a display.
type meter struct {
	show  stages // nil: nothing is shown
	now   func() time.Time
	total int64 // 0: not known

	mu    sync.Mutex
	begun time.Time
	last  time.Time
	done  int64
}

// meterTo shows progress on f when it is a terminal.
func (a *App) meterTo(f *os.File) *meter {
	m := &meter{now: time.Now, begun: time.Now()}
	if isTerminal(f) && a.getenv("TERM") != "dumb" {
		m.show = a.stagesTo(f)
	}
	return m
}

func (m *meter) live() bool { return m.show != nil }

func (m *meter) add(name string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += int64(n)
	if m.show == nil || m.now().Sub(m.last) < 50*time.Millisecond {
		return
	}
	m.last = m.now()
	m.show.update(api.Operation{Stages: []api.Stage{{
		Name: "copy", State: stateRunning, Detail: name, Done: m.done, Total: m.total, Unit: unitBytes, StartedAt: m.begun,
	}}})
}

func (m *meter) close() {
	if m.show != nil {
		m.show.close()
	}
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
	if err != nil {
		return fmt.Errorf("%s: %w", name, plainSFTP(err))
	}
	return nil
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
