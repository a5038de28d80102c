package session

import (
	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

// keep reads one output until its end.
func (s *Session) keep(stream agentrpc.Stream, o *command.Output) {
	buf := make([]byte, chunk)
	_ = o.Each(buf, func(n int) error { // its end, whatever kind, is the command's
		s.store(stream, buf[:n])
		return nil
	})
}

// store keeps p. It waits for attached readers that keep up, so that they lose
// nothing; one that stands still is not waited for.
func (s *Session) store(stream agentrpc.Stream, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.out[stream]
	for {
		behind := s.behind(stream, r.startAfter(len(p)))
		if behind == nil {
			break
		}
		s.awaitReader(behind)
	}
	r.append(p)
	if s.tty {
		_, _ = s.modes.Write(p)
	}
	s.wrote(p)
	s.broadcast()
}

// behind is an attached reader that would lose what is before offset, and that
// keeps up so far.
func (s *Session) behind(stream agentrpc.Stream, offset int64) *Attachment {
	for a := range s.attached {
		if !a.lagging && a.ending == nil && a.next[stream] < offset {
			return a
		}
	}
	return nil
}

// Output returns what the session wrote from offset on, at most limit bytes.
// When there is nothing it waits until there is, the session ends, or done is
// closed.
func (s *Session) Output(done <-chan struct{}, stream agentrpc.Stream, offset int64, limit int) agentrpc.SessionOutput {
	for {
		out, wake := s.peek(stream, offset, limit)
		if len(out.Data) > 0 || out.Ended {
			return out
		}
		select {
		case <-wake:
		case <-done:
			return out
		}
	}
}

func (s *Session) peek(stream agentrpc.Stream, offset int64, limit int) (agentrpc.SessionOutput, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.out[stream]
	from := s.resolve(stream, offset)
	out := agentrpc.SessionOutput{Offset: from, End: r.end, Ended: s.over}
	if offset >= 0 {
		out.Lost = max(0, from-offset)
	}
	out.Data = make([]byte, min(int64(limit), r.end-from))
	r.read(from, out.Data)
	return out, s.wake
}

// resolve is the offset really meant, at which there is something, or will be.
// The caller holds mu.
func (s *Session) resolve(stream agentrpc.Stream, offset int64) int64 {
	r := &s.out[stream]
	switch {
	case offset == agentrpc.FromNow:
		return r.end
	case offset < 0:
		return r.start
	}
	return min(max(offset, r.start), r.end)
}

// forget drops the output of a session that has ended.
func (s *Session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out[0].drop()
	s.out[1].drop()
	s.broadcast()
}

// kept is how much memory the output takes, in bytes.
func (s *Session) kept() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.out[0].buf) + len(s.out[1].buf))
}
