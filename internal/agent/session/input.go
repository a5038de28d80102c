package session

import (
	"bytes"
	"os"
	"sync"
	"syscall"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/stream"
)

// maxPending is how much input may wait for the command before more is refused
// to those who send, in bytes.
const maxPending = 1 << 20

// item is a piece of input, written as a whole before the next.
type item struct {
	data []byte
	from *source
}

// input passes on what comes for a command's stdin, in order.
type input struct {
	f        *os.File
	closes   bool       // the file is closed at the input's end
	consumed func(item) // called without mu

	mu     sync.Mutex
	change sync.Cond
	queue  []item
	queued int
	under  bool // an item is being written
	eof    bool // nothing more comes
	broken bool // nothing more is taken
}

func newInput(f *os.File, closes bool, consumed func(item)) *input {
	in := &input{f: f, closes: closes, consumed: consumed}
	in.change.L = &in.mu
	return in
}

func (in *input) push(it item) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken || in.eof {
		return
	}
	in.queue = append(in.queue, it)
	in.queued += len(it.data)
	in.change.Signal()
}

func (in *input) pending() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.queued
}

// finish says that nothing more comes.
func (in *input) finish() {
	in.mu.Lock()
	in.eof = true
	in.change.Signal()
	in.mu.Unlock()
}

// abandon says that nothing more is taken, and ends a write under way.
func (in *input) abandon() {
	in.mu.Lock()
	in.broken, in.queue, in.queued = true, nil, 0
	in.change.Signal()
	in.mu.Unlock()
	_ = in.f.SetWriteDeadline(stream.Past())
}

// run writes what is queued until the end. A command that has closed its stdin
// takes nothing: what comes is then dropped as if it had been read.
func (in *input) run() {
	refused := false
	for {
		it, ok := in.next()
		if !ok {
			break
		}
		if !refused {
			_, err := in.f.Write(it.data)
			refused = err != nil
		}
		in.consumed(it)
		in.written()
	}
	if in.closes {
		_ = in.f.Close()
	}
}

func (in *input) next() (item, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) == 0 {
		if in.eof || in.broken {
			return item{}, false
		}
		in.change.Wait()
	}
	it := in.queue[0]
	in.queue = in.queue[1:]
	in.queued -= len(it.data)
	in.under = true
	return it, true
}

// writing says that a piece of input is on its way to the command: what the command
// answers may be seen before consumed is called for it.
func (in *input) writing() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.under
}

func (in *input) written() {
	in.mu.Lock()
	in.under = false
	in.mu.Unlock()
}

// writeNow writes what a pipe takes of p at once, when nothing waits before it,
// and returns how much. It spares a small message two changes of goroutine.
func (in *input) writeNow(p []byte) (n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.under || len(in.queue) > 0 || in.eof || in.broken || !in.closes {
		return 0
	}
	raw, err := in.f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Write(func(fd uintptr) bool { // what fails here, run finds out
		n, err = syscall.Write(int(fd), p)
		return true
	})
	return max(n, 0)
}

// accept takes input from a source, which is nil for who is not attached. The
// caller holds mu.
func (s *Session) accept(p []byte, from *source) {
	n := s.in.writeNow(p)
	s.count(n, from)
	if n < len(p) {
		s.in.push(item{data: bytes.Clone(p[n:]), from: from})
	}
}

// consumed counts input that the command has read.
func (s *Session) consumed(it item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(len(it.data), it.from)
}

// count is consumed for who holds mu.
func (s *Session) count(n int, from *source) {
	s.stdin += int64(n)
	if n > 0 {
		s.tookInput()
	}
	if from == nil || n == 0 {
		return
	}
	from.consumed += int64(n)
	if w := s.writer; w != nil && w.source == from && w.ackDue() {
		s.broadcast()
	}
}

// Send writes p to the command's stdin, in one piece among what others write,
// and then ends the input if eof is set.
func (s *Session) Send(p []byte, eof bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(p) > agentrpc.MaxSend:
		return fail(Invalid, "%d bytes at once; the limit is %d", len(p), agentrpc.MaxSend)
	case s.over:
		return fail(Conflict, "the session has ended")
	case s.eof && len(p) > 0:
		return fail(Conflict, "the session's stdin is closed")
	case s.in.pending() > maxPending:
		return fail(Busy, "the command does not read its stdin: %d bytes are already waiting", s.in.pending())
	}
	if len(p) > 0 {
		s.accept(p, nil)
	}
	if eof {
		s.endInput()
	}
	return nil
}

// endInput closes the command's stdin after what is queued; on a terminal it
// is ^D. The caller holds mu.
func (s *Session) endInput() {
	switch {
	case s.eof:
	case s.tty:
		s.in.push(item{data: []byte{command.EOT}})
	default:
		s.eof = true
		s.in.finish()
	}
}
