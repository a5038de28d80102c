// Package session owns long-lived commands in the guest. They belong to the
// agent and not to any connection: they run on whoever comes and goes, and what
// they write is kept, within bounds, for those who come later.
package session

import (
	"bytes"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// chunk is how much output is read at a time, in bytes.
	chunk = 32 << 10
	// launchWindow is how soon a command must end badly to have failed at its
	// launch, so that what it said is kept as the reason; maxReason bounds that.
	launchWindow = 5 * time.Second
	maxReason    = 2 << 10
	// screenful is how much of a terminal's past is shown to who attaches, in bytes.
	screenful = 64 << 10
)

// Session is one command, running or ended. It is safe for concurrent use.
type Session struct {
	id      string
	dir     string
	tty     bool
	started time.Time
	proc    *command.Process
	pid     int
	changed func() // tells the registry; called without mu
	ended   chan struct{}

	in     *input
	master *os.File // the terminal, or nil

	mu      sync.Mutex
	wake    chan struct{} // closed, and made anew, at every change
	out     [2]ring
	modes   agentrpc.TerminalModes
	size    [2]uint16
	over    bool
	status  int
	signal  string
	reason  string
	endedAt time.Time
	stdin   int64 // bytes that the command has read
	eof     bool  // nothing more goes in

	attached map[*Attachment]struct{}
	writer   *Attachment
	writers  []*source // those of whom input may come again, the latest last
}

// source is one writer's input: how much of it has arrived, and how much of
// that the command has read.
type source struct {
	token    string
	received int64
	consumed int64
}

// maxSources bounds the writers that are remembered.
const maxSources = 16

// Info is how the session is now.
func (s *Session) Info() agentrpc.SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := agentrpc.SessionInfo{
		ID: s.id, State: agentrpc.SessionRunning, Dir: s.dir, PID: s.pid,
		StdinBytes: s.stdin, StdinClosed: s.eof,
		StdoutBytes: s.out[0].end, StderrBytes: s.out[1].end,
		StdoutDropped: s.out[0].start, StderrDropped: s.out[1].start,
		Writer: s.writer != nil, StartedAt: s.started,
	}
	info.Readers = len(s.attached)
	if info.Writer {
		info.Readers--
	}
	if s.over {
		info.State, info.ExitCode, info.Signal = agentrpc.SessionExited, s.status, s.signal
		info.Error, info.EndedAt = s.reason, s.endedAt
	}
	return info
}

// Done is closed when the session has ended and all its output is kept.
func (s *Session) Done() <-chan struct{} { return s.ended }

// broadcast wakes all who wait. The caller holds mu.
func (s *Session) broadcast() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// attend keeps what the command writes until it ends.
func (s *Session) attend(f *files) {
	var copies sync.WaitGroup
	var outputs []*command.Output
	for i, file := range []*os.File{f.out, f.err} {
		if file == nil {
			continue
		}
		o := command.NewOutput(file)
		outputs = append(outputs, o)
		copies.Go(func() { s.keep(agentrpc.Stream(i), o) })
	}
	copies.Go(s.in.run)
	status, sig, err := s.proc.Wait()
	for _, o := range outputs {
		o.Finish()
	}
	s.in.abandon()
	copies.Wait()
	f.closeOurs()

	s.mu.Lock()
	s.over, s.status, s.endedAt = true, status, time.Now().UTC()
	s.signal = command.SignalName(sig)
	switch {
	case err != nil:
		s.status, s.reason = command.StatusCannotRun, err.Error()
	case status != 0 && s.endedAt.Sub(s.started) < launchWindow:
		s.reason = s.lastWords()
	}
	s.broadcast()
	s.mu.Unlock()
	close(s.ended)
	s.changed()
}

// lastWords is the end of what the command said. The caller holds mu.
func (s *Session) lastWords() string {
	r := &s.out[agentrpc.Stderr]
	if s.tty || r.end == 0 {
		r = &s.out[agentrpc.Stdout]
	}
	from := max(r.start, r.end-maxReason)
	text := make([]byte, r.end-from)
	r.read(from, text)
	return string(bytes.ToValidUTF8(bytes.TrimSpace(text), []byte("?")))
}

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

// input is accepted from a source, which is nil for who is not attached. The
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
		return fail(Invalid, "%d bytes at once; at most %d go in one piece", len(p), agentrpc.MaxSend)
	case s.over:
		return fail(Conflict, "the session has ended")
	case s.eof && len(p) > 0:
		return fail(Conflict, "the session's stdin is closed")
	case s.in.pending() > maxPending:
		return fail(Busy, "the command does not read its stdin: %d bytes wait already", s.in.pending())
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
		s.in.push(item{data: []byte{eot}})
	default:
		s.eof = true
		s.in.finish()
	}
}

// eot is ^D, a terminal's end of file.
const eot = 4

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

// Stop ends the session: SIGTERM to its process group, and SIGKILL to what is
// left of it after timeout. It returns when the session has ended, or done is
// closed; the session then still gets what was promised.
func (s *Session) Stop(done <-chan struct{}, timeout time.Duration) {
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
	if err := s.proc.Signal(sig); err != nil {
		return fail(Conflict, "the session has ended")
	}
	return nil
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
