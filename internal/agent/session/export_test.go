package session

// Done is closed when the session has ended and all its output is kept.
func (s *Session) Done() <-chan struct{} { return s.ended }
