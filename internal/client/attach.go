package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
)

// AttachOptions say how to attach.
type AttachOptions struct {
	ReadOnly bool
	// Stdout and Stderr are offsets to go on from; agentrpc.FromOldest and
	// FromNow have their meaning.
	Stdout, Stderr int64
	Once           bool // end when all that there is now has come
	Repaint        bool // a screenful of a terminal's past, instead of Stdout
	Rows, Cols     uint16
	// Output gets what the session writes, in order and once. An error ends the
	// attachment. It is called by one goroutine at a time, as are the others,
	// each of which may be nil.
	Output func(stream agentrpc.Stream, p []byte) error
	// Lost is told of output that is kept no more.
	Lost func(stream agentrpc.Stream, bytes int64)
	// Greeted is told of every connection, the first and those after.
	Greeted func(agentrpc.AttachGreeting)
	// Broken is told when a connection broke, and why, before another is tried.
	Broken func(err error)
}

// Attachment is a client's attachment to a session. When its connection breaks
// it attaches again, and goes on where it was, in both directions. Its methods
// are safe for concurrent use.
type Attachment struct {
	c        *Client
	vm, name string
	opts     AttachOptions
	token    string
	next     [2]int64 // of output; Run's own

	mu      sync.Mutex
	changed chan struct{} // closed, and made again, at every change
	out     *outgoing     // the connection that is written to, or nil
	input   []byte        // what was not acknowledged; begins at acked
	acked   int64
	eof     bool
	size    [2]uint16
	over    error // why nothing more is taken, once Run has ended
}

// outgoing is the writing side of one connection. Frames are queued, so that
// nobody waits for the network with the attachment's lock.
type outgoing struct {
	w      io.WriteCloser
	sent   int64  // input sent on it, as an offset
	eof    bool   // the input's end was sent
	queue  []byte // resizes and signals, as frames
	window int64
}

// errEnded is what the writing methods return after the end.
var errEnded = errors.New("the attachment has ended")

// Attach prepares an attachment; Run makes and keeps it. Input may be written
// before.
func (c *Client) Attach(vm, name string, opts AttachOptions) *Attachment {
	return &Attachment{
		c: c, vm: vm, name: name, opts: opts, token: rand.Text(),
		next: [2]int64{opts.Stdout, opts.Stderr}, size: [2]uint16{opts.Rows, opts.Cols}, changed: make(chan struct{}),
	}
}

func (a *Attachment) broadcast() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// Write queues input for the session, and waits while much of what was queued
// has not been read. It implements io.Writer.
func (a *Attachment) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		a.mu.Lock()
		if a.over != nil || a.eof {
			a.mu.Unlock()
			return written, errEnded
		}
		room := agentrpc.StdinWindow - len(a.input)
		if room <= 0 {
			changed := a.changed
			a.mu.Unlock()
			<-changed
			continue
		}
		n := min(room, len(p))
		a.input = append(a.input, p[:n]...)
		p = p[n:]
		written += n
		a.broadcast()
		a.mu.Unlock()
	}
	return written, nil
}

// CloseWrite ends the session's input, after what was written.
func (a *Attachment) CloseWrite() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.eof = true
	a.broadcast()
}

// Resize sets the terminal's size, also for connections to come.
func (a *Attachment) Resize(rows, cols uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.size = [2]uint16{rows, cols}
	payload := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, rows), cols)
	a.enqueue(agentrpc.AttachResize, payload)
}

// Signal sends a signal, by its name without SIG, if the connection stands.
func (a *Attachment) Signal(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enqueue(agentrpc.AttachSignal, []byte(name))
}

func (a *Attachment) enqueue(t agentrpc.AttachFrame, payload []byte) {
	if a.out == nil {
		return
	}
	a.out.queue = agentrpc.AppendFrame(a.out.queue, t, payload)
	a.broadcast()
}

// Run attaches, and stays so until the session ends, ctx does, or it is
// refused. It returns how the session ended, or EndOnce.
func (a *Attachment) Run(ctx context.Context) (agentrpc.AttachEnding, error) {
	end, err := a.stay(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over = err; err == nil {
		a.over = errEnded
	}
	a.broadcast()
	return end, err
}

// connect makes one connection, and returns the reading side.
func (a *Attachment) connect(ctx context.Context, again bool) (*Stream, error) {
	a.mu.Lock()
	size := a.size
	a.mu.Unlock()
	req := api.AttachSession{
		ReadOnly: a.opts.ReadOnly, Stdout: a.next[0], Stderr: a.next[1], Once: a.opts.Once,
		Repaint: a.opts.Repaint && !again, Rows: size[0], Cols: size[1],
	}
	if !a.opts.ReadOnly {
		req.Writer = a.token
	}
	return a.c.AttachSession(ctx, a.vm, a.name, req)
}
