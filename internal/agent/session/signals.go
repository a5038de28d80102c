package session

import (
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// lookAfter is how long nothing must have gone in or out before it is looked who
	// waits for input, and lastLook the longest pause between two such looks.
	lookAfter = time.Second
	lastLook  = 30 * time.Second
	// echoTime is how soon after input a bell is the answer to it, such as of a shell
	// that cannot complete a word.
	echoTime = time.Second
)

// signals are what is seen of a session that runs. They are guarded by its mu.
type signals struct {
	parser      noticeParser
	active      bool
	activeSince time.Time
	outputAt    time.Time
	inputAt     time.Time
	reading     reading
	readSince   time.Time
	notice      *agentrpc.SessionNotice
	said        *agentrpc.SessionSaid
	echo        time.Duration // how soon after input a bell is its answer

	timer *time.Timer // calls look
	moves int         // counts what goes in and out
	dirty bool        // there is something to tell
}

// wrote takes what the session wrote. The caller holds mu.
func (s *Session) wrote(p []byte) {
	sig, now := &s.signals, time.Now().UTC()
	sig.outputAt = now
	if !sig.active {
		sig.active, sig.activeSince, sig.dirty = true, now, true
	}
	if sig.reading.any { // what it read, or what it prints beside, is over
		sig.reading, sig.dirty = reading{}, true
	}
	if n := sig.notice; n != nil && !n.OutputAfter && now.Sub(n.At) > agentrpc.QuietAfter {
		went := *n
		went.OutputAfter = true
		sig.notice, sig.dirty = &went, true
	}
	if s.tty {
		if found := sig.parser.write(p); found != nil && (found.source != "bel" || !s.answers(now)) {
			sig.notice, sig.dirty = &agentrpc.SessionNotice{Source: found.source, Text: found.text, At: now}, true
		}
	}
	s.moved()
}

// answers says that what is written now is the answer to input. The caller holds mu.
func (s *Session) answers(now time.Time) bool {
	return s.in.writing() || now.Sub(s.signals.inputAt) <= s.signals.echo
}

// tookInput notes that the command has read input. The caller holds mu.
func (s *Session) tookInput() {
	sig, now := &s.signals, time.Now().UTC()
	waited := sig.reading.any || sig.notice != nil && sig.notice.At.After(sig.inputAt) || sig.said != nil && sig.said.At.After(sig.inputAt)
	sig.inputAt, sig.reading, sig.dirty = now, reading{}, sig.dirty || waited
	s.moved()
}

// Said takes what a program of the session says of it.
func (s *Session) Said(said agentrpc.SessionSaid) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return fail(Conflict, "the session has ended")
	}
	s.signals.said, s.signals.dirty = &said, true
	s.moved()
	return nil
}

// moved plans the next look. The caller holds mu.
func (s *Session) moved() {
	sig := &s.signals
	sig.moves++
	if s.over {
		return
	}
	pause := lookAfter
	if sig.dirty {
		pause = 0
	}
	sig.timer.Reset(pause)
}

// look tells what has changed, and looks who waits for input once nothing moves.
func (s *Session) look() {
	s.mu.Lock()
	sig, now := &s.signals, time.Now().UTC()
	if s.over {
		s.mu.Unlock()
		return
	}
	rest, moves := now.Sub(s.movedAt()), sig.moves
	if sig.active && now.Sub(sig.outputAt) >= agentrpc.QuietAfter {
		sig.active, sig.dirty = false, true
	}
	s.mu.Unlock()

	var found reading
	if s.tty && rest >= lookAfter {
		found = readers(s.master, s.pid)
	}

	s.mu.Lock()
	if sig.moves == moves && found != sig.reading {
		sig.reading, sig.readSince, sig.dirty = found, now.Add(-rest), true
	}
	tell := sig.dirty
	sig.dirty = false
	if pause := s.nextLook(rest, now); pause > 0 && !s.over {
		sig.timer.Reset(pause)
	}
	s.mu.Unlock()
	if tell {
		s.changed()
	}
}

// movedAt is when something last went in or out. The caller holds mu.
func (s *Session) movedAt() time.Time {
	at := s.started
	for _, t := range []time.Time{s.signals.outputAt, s.signals.inputAt} {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// nextLook is the pause before the next look, or 0 for none: the longer nothing moves,
// the longer. The caller holds mu.
func (s *Session) nextLook(rest time.Duration, now time.Time) time.Duration {
	switch {
	case rest < lookAfter:
		return lookAfter - rest
	case s.signals.active:
		return max(s.signals.outputAt.Add(agentrpc.QuietAfter).Sub(now), 10*time.Millisecond)
	case s.tty:
		return min(max(rest, lookAfter), lastLook)
	}
	return 0
}

// info is what the host is told. The caller holds the session's mu.
func (sig *signals) info() *agentrpc.SessionSignals {
	out := &agentrpc.SessionSignals{
		Active: sig.active, OutputAt: sig.outputAt, InputAt: sig.inputAt, Notice: sig.notice, Said: sig.said,
		Reading: sig.reading.any, ReadingLeader: sig.reading.leader,
	}
	if sig.active {
		out.ActiveSince = sig.activeSince
	}
	if sig.reading.any {
		out.ReadingSince, out.Reader = sig.readSince, sig.reading.words()
	}
	return out
}
