package monitor

import "time"

func (s *supervisor) makeTimers() {
	s.ready, s.hello, s.deadline, s.last = stoppedTimer(), stoppedTimer(), stoppedTimer(), stoppedTimer()
}

func (s *supervisor) stopTimers(timers ...*time.Timer) {
	for _, t := range timers {
		t.Stop()
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (s *supervisor) readyTimeout() time.Duration {
	return time.Duration(s.spec.ReadyTimeoutMillis) * time.Millisecond
}

func (s *supervisor) onReadyTimeout() {
	switch {
	case s.wasReady || s.stopping:
	case s.status.Paused: // a machine that stands cannot be late
		s.ready.Reset(s.readyTimeout())
	default:
		s.notReady = true
		s.failure = "the guest was not ready within " + s.readyTimeout().String()
		if s.status.Stage != "" {
			s.failure += ", at stage " + s.status.Stage
		}
		s.endHard()
	}
}
