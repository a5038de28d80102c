// Package session owns long-lived commands in the guest. They belong to the
// agent and not to any connection: they keep running when clients come and go, and what
// they write is kept, within bounds, for those who come later.
package session

import (
	"bytes"
	"os"
	"sync"
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
	warning string // of the start
	tty     bool
	started time.Time
	proc    *command.Process
	pid     int
	changed func()        // tells the registry; called without mu
	ended   chan struct{} // closed when it is over and all its output is kept

	in     *input
	master *os.File // the terminal, or nil

	mu      sync.Mutex
	wake    chan struct{} // closed, and made again, at every change
	out     [2]ring
	modes   agentrpc.TerminalModes
	size    [2]uint16
	over    bool
	asked   bool // somebody has stopped it, or sent a signal
	status  int
	signal  string
	reason  string
	endedAt time.Time
	stdin   int64 // bytes that the command has read
	eof     bool  // nothing more goes in

	signals signals

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
		ID: s.id, State: agentrpc.SessionRunning, Warning: s.warning, Dir: s.dir, PID: s.pid,
		StdinBytes: s.stdin, StdinClosed: s.eof,
		StdoutBytes: s.out[0].end, StderrBytes: s.out[1].end,
		StdoutDropped: s.out[0].start, StderrDropped: s.out[1].start,
		Writer: s.writer != nil, StartedAt: s.started,
	}
	info.Readers = len(s.attached)
	if info.Writer {
		info.Readers--
	}
	if !s.over {
		info.Signals = s.signals.info()
	} else {
		info.State, info.ExitCode, info.Signal = agentrpc.SessionExited, s.status, s.signal
		info.Error, info.EndedAt = s.reason, s.endedAt
	}
	return info
}

// broadcast wakes all who wait. The caller holds mu.
func (s *Session) broadcast() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// attend keeps what the command writes until it ends.
func (s *Session) attend(f *command.Files) {
	status, sig, err := f.Attend(s.proc, command.Copies{
		Out: func(i int, o *command.Output) { s.keep(agentrpc.Stream(i), o) },
		In:  s.in.run, Ended: s.in.abandon,
	})
	f.Release()

	s.mu.Lock()
	s.signals.timer.Stop()
	s.over, s.status, s.endedAt = true, status, time.Now().UTC()
	s.signal = command.SignalName(sig)
	switch {
	case err != nil:
		s.reason = err.Error()
	case status != 0 && !s.asked && s.endedAt.Sub(s.started) < launchWindow:
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
