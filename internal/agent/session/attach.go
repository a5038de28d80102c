package session

import (
	"bytes"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// stallLimit is how long the session waits for an attached reader that stands
	// still, and minProgress how much one must take in that time to count as
	// keeping up, in bytes.
	stallLimit  = time.Second
	minProgress = 512 << 10
	// maxAttached bounds the attachments of one session.
	maxAttached = 32
	maxToken    = 64
)

// Attachment is one client's connection to a session.
type Attachment struct {
	s        *Session
	readOnly bool
	source   *source // of its input; nil for one that only reads

	// guarded by s.mu
	next    [2]int64 // what to send next
	until   [2]int64 // where to end, when once is set
	once    bool
	turn    int // the stream whose turn it is
	acked   int64
	lagging bool // does not keep up: not waited for until it has caught up
	waited  time.Time
	taken   int64 // bytes, in all, and when the session began to wait for it
	before  int64
	ending  *agentrpc.AttachEnding
	closed  bool
}

// Attach joins a client to the session, running or ended. The caller sends the
// greeting, then what Next returns, passes on what comes, and closes it.
func (s *Session) Attach(req agentrpc.SessionAttach) (*Attachment, agentrpc.AttachGreeting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attached) >= maxAttached {
		return nil, agentrpc.AttachGreeting{}, fail(Busy, "%d clients are already attached; the limit is %d", len(s.attached), maxAttached)
	}
	a := &Attachment{s: s, readOnly: req.ReadOnly, once: req.Once}
	greeting := agentrpc.AttachGreeting{Session: s.id, TTY: s.tty, StdinClosed: s.eof, StdinWindow: agentrpc.StdinWindow}
	if !req.ReadOnly {
		if err := s.takeOver(a, req.Writer); err != nil {
			return nil, agentrpc.AttachGreeting{}, err
		}
		greeting.Stdin, a.acked = a.source.received, unknown
		if s.tty {
			s.resize(req.Rows, req.Cols, true)
		}
	}
	a.next = [2]int64{s.resolve(agentrpc.Stdout, req.Stdout), s.resolve(agentrpc.Stderr, req.Stderr)}
	a.until = [2]int64{s.out[0].end, s.out[1].end}
	// What was asked for and is not there any more is told as lost.
	for i, asked := range []int64{req.Stdout, req.Stderr} {
		if asked >= 0 && asked < a.next[i] {
			a.next[i] = asked
		}
	}
	if req.Repaint && s.tty {
		a.next[agentrpc.Stdout] = s.repaintFrom()
		greeting.Modes = s.modes.Restore()
	}
	greeting.Stdout, greeting.Stderr = a.next[0], a.next[1]
	s.attached[a] = struct{}{}
	return a, greeting, nil
}

// takeOver makes a the writer. The caller holds mu.
func (s *Session) takeOver(a *Attachment, token string) error {
	if token == "" || len(token) > maxToken {
		return fail(Invalid, "a writer's name has 1 to %d bytes", maxToken)
	}
	if w := s.writer; w != nil {
		if w.source.token != token {
			return fail(Conflict, "another client is attached to write, and only one can be; others can only read (--read-only)")
		}
		w.ending = &agentrpc.AttachEnding{Reason: agentrpc.EndReplaced}
		s.broadcast()
	}
	s.writer = a
	for i, known := range s.writers {
		if known.token == token {
			a.source = known
			s.writers = append(append(s.writers[:i:i], s.writers[i+1:]...), known)
			return nil
		}
	}
	a.source = &source{token: token}
	s.writers = append(s.writers, a.source)
	if len(s.writers) > maxSources {
		s.writers = s.writers[1:]
	}
	return nil
}

// repaintFrom is where a screenful of the terminal's past begins, at a line's
// beginning. What runs in the alternate screen paints it again by itself. The
// caller holds mu.
func (s *Session) repaintFrom() int64 {
	r := &s.out[agentrpc.Stdout]
	if s.modes.Alternate() {
		return r.end
	}
	from := max(r.start, r.end-screenful)
	if from == 0 {
		return 0
	}
	past := make([]byte, r.end-from)
	r.read(from, past)
	if at := bytes.IndexByte(past, '\n'); at >= 0 && at+1 < len(past) {
		return from + int64(at) + 1
	}
	return from
}

// resize sets the terminal's size. With repaint the program is told even when
// the size is as before. The caller holds mu.
func (s *Session) resize(rows, cols uint16, repaint bool) {
	if s.master == nil || s.over {
		return
	}
	same := rows == 0 || cols == 0 || s.size == [2]uint16{rows, cols}
	if !same && command.Resize(s.master, rows, cols) == nil {
		s.size = [2]uint16{rows, cols}
	}
	if same && repaint {
		command.Redraw(s.master)
	}
}

// Close ends the attachment. The session goes on.
func (a *Attachment) Close() {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	delete(s.attached, a)
	if s.writer == a {
		s.writer = nil
	}
	s.broadcast()
}

// Fail ends the attachment with a message to the client.
func (a *Attachment) Fail(err error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.ending == nil {
		a.ending = &agentrpc.AttachEnding{Reason: agentrpc.EndError, Message: err.Error()}
	}
	a.s.broadcast()
}

// awaitReader waits until a has taken something, or is found not to keep up.
// The caller holds mu, which is released meanwhile.
func (s *Session) awaitReader(a *Attachment) {
	now := time.Now()
	if a.waited.IsZero() || a.taken-a.before >= minProgress {
		a.waited, a.before = now, a.taken
	}
	left := stallLimit - now.Sub(a.waited)
	if left <= 0 {
		a.lagging, a.waited = true, time.Time{}
		return
	}
	wake := s.wake
	s.mu.Unlock()
	timer := time.NewTimer(left)
	select {
	case <-wake:
	case <-timer.C:
	}
	timer.Stop()
	s.mu.Lock()
}

// ackDue reports whether the client should be told what was read, so that its
// window opens. The caller holds mu.
func (a *Attachment) ackDue() bool {
	return a.acked == unknown || a.source.consumed-a.acked >= agentrpc.StdinWindow/4
}

// unknown is what was acknowledged on a new connection: the last word on the
// one before may not have arrived.
const unknown = -1
