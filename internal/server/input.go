package server

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// inputs are the byte streams that operations under way wait for, by the
// operation's id. Each can be sent once.
type inputs struct {
	timeout time.Duration

	mu      sync.Mutex
	waiting map[string]*input
}

func newInputs(timeout time.Duration) *inputs {
	return &inputs{timeout: timeout, waiting: map[string]*input{}}
}

// input is one such stream. The operation reads from reader, and calls close
// when it wants no more.
type input struct {
	set    *inputs
	reader *io.PipeReader
	writer *io.PipeWriter
	expiry *time.Timer

	// guarded by set.mu
	id      string
	claimed bool
	closed  bool
}

func (s *inputs) open() *input {
	in := &input{set: s}
	in.reader, in.writer = io.Pipe()
	in.expiry = time.AfterFunc(s.timeout, func() {
		in.fail(fault.New(fault.Unavailable, "no input came within %s", s.timeout))
	})
	return in
}

// publish makes the input known as that of the operation with this id.
func (in *input) publish(id string) {
	in.set.mu.Lock()
	defer in.set.mu.Unlock()
	if in.closed {
		return
	}
	in.id = id
	in.set.waiting[id] = in
}

// claim takes the input for the one request that sends it.
func (s *inputs) claim(id string) (*input, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.waiting[id]
	if !ok {
		return nil, fault.New(fault.Conflict, "operation %s is not waiting for input", id)
	}
	if in.claimed {
		return nil, fault.New(fault.Conflict, "operation %s is already getting its input", id)
	}
	in.claimed = true
	in.expiry.Stop()
	return in, nil
}

// fill passes r on, and returns when all was read. An operation that ends
// before wants no more: that is no error, since its own result says why.
func (in *input) fill(r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{in.writer}, r, make([]byte, 256<<10))
	switch {
	case err == nil:
		return in.writer.Close()
	case errors.Is(err, io.ErrClosedPipe):
		return nil
	default:
		broken := fault.Wrap(fault.Unavailable, err, "the input ended early")
		in.fail(broken)
		return broken
	}
}

// fail makes the operation's next read return err.
func (in *input) fail(err error) { in.writer.CloseWithError(err) }

// close ends the input from the operation's side.
func (in *input) close() {
	in.expiry.Stop()
	_ = in.reader.Close()
	in.set.mu.Lock()
	defer in.set.mu.Unlock()
	in.closed = true
	delete(in.set.waiting, in.id)
}
