package guestapi

import (
	"bytes"
	"os"
	"sync"
)

// maxQueued bounds the input that waits for a command to read it, in bytes.
// Beyond it, the connection is not read until the command goes on: then signals
// wait too.
const maxQueued = 16 << 20

// stdin passes input on to a command without making signals and resizes wait
// for a command that does not read.
type stdin struct {
	f *os.File

	mu     sync.Mutex
	change sync.Cond
	queue  [][]byte
	queued int
	eof    bool // nothing more comes
	broken bool // nothing more is taken
}

func newStdin(f *os.File) *stdin {
	s := &stdin{f: f}
	s.change.L = &s.mu
	return s
}

// push queues a copy of p, and waits while too much is queued.
func (s *stdin) push(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.queued > maxQueued && !s.broken {
		s.change.Wait()
	}
	if s.broken || s.eof {
		return
	}
	s.queue = append(s.queue, bytes.Clone(p))
	s.queued += len(p)
	s.change.Broadcast()
}

// finish says that nothing more comes.
func (s *stdin) finish() {
	s.mu.Lock()
	s.eof = true
	s.change.Broadcast()
	s.mu.Unlock()
}

// abandon says that nothing more is taken: the command has ended.
func (s *stdin) abandon() {
	s.mu.Lock()
	s.broken, s.queue, s.queued = true, nil, 0
	s.change.Broadcast()
	s.mu.Unlock()
}

// run writes what is queued until the end, and closes the file then if
// closeAtEnd is set. A command that has closed its stdin takes nothing; that is
// its business.
func (s *stdin) run(closeAtEnd bool) {
	for {
		p, ok := s.next()
		if !ok {
			break
		}
		if _, err := s.f.Write(p); err != nil {
			s.abandon()
			break
		}
	}
	if closeAtEnd {
		_ = s.f.Close()
	}
}

func (s *stdin) next() ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 {
		if s.eof || s.broken {
			return nil, false
		}
		s.change.Wait()
	}
	p := s.queue[0]
	s.queue = s.queue[1:]
	s.queued -= len(p)
	s.change.Broadcast()
	return p, true
}
