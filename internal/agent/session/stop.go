package session

import (
	"syscall"
	"time"
)

// Stop ends the session: SIGTERM to its process group, and SIGKILL to what is
// left of it after timeout. It returns when the session has ended, or done is
// closed; the session then still gets what was promised.
func (s *Session) Stop(done <-chan struct{}, timeout time.Duration) {
	s.ask()
	if s.proc.Signal(syscall.SIGTERM) == nil {
		_ = s.proc.Signal(syscall.SIGCONT) // a stopped one takes no SIGTERM
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.finish(timeout)
	}()
	select {
	case <-finished:
	case <-done:
	}
}

// finish waits for the whole process group, and kills it after timeout.
func (s *Session) finish(timeout time.Duration) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ended := s.ended
	for {
		select {
		case <-ended:
			if !s.groupLives() {
				return
			}
			ended = nil
		case <-tick.C:
			if ended == nil && !s.groupLives() {
				return
			}
		case <-limit.C:
			s.proc.KillGroup(syscall.SIGKILL)
			<-s.ended
			return
		}
	}
}

func (s *Session) groupLives() bool { return syscall.Kill(-s.pid, 0) == nil }

// Signal sends sig to the session's process group.
func (s *Session) Signal(sig syscall.Signal) error {
	s.ask()
	if err := s.proc.Signal(sig); err != nil {
		return fail(Conflict, "the session has ended")
	}
	return nil
}

// ask notes that somebody wanted the session to end: what it said before is not
// why it did.
func (s *Session) ask() {
	s.mu.Lock()
	s.asked = true
	s.mu.Unlock()
}
