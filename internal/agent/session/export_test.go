package session

import "time"

// Done is closed when the session has ended and all its output is kept.
func (s *Session) Done() <-chan struct{} { return s.ended }

// SetEchoTime says how soon after input a bell is the answer to it.
func (s *Session) SetEchoTime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals.echo = d
}
