// Package session holds the rules of long-lived commands in guests: what is
// known of each, and how that stays true if the guest, its agent or this
// daemon ends.
package session

import (
	"reflect"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/codingagent"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/plain"
)

// State is how far a session is.
type State string

// The states. Failed was never started, Lost ended in a way that nobody saw:
// with its guest, or with the agent in it.
const (
	Starting State = "starting"
	Running  State = "running"
	Exited   State = "exited"
	Failed   State = "failed"
	Lost     State = "lost"
)

// Open reports whether a session in this state may still run.
func (s State) Open() bool { return s == Starting || s == Running }

// Mode says what the command's stdin and output are.
type Mode string

// The modes: three pipes, or one terminal.
const (
	Pipe Mode = "pipe"
	TTY  Mode = "tty"
)

// Session is one command in a guest. ID is 16 lower-case hex digits; names are
// unique in a VM; times are UTC, zero when it has not happened.
type Session struct {
	ID        string
	VMID      string
	StartID   string // the VM's start that it belongs to
	Name      string
	Command   []string
	Mode      Mode
	Dir       string
	User      string
	State     State
	ExitCode  int    // valid in Exited: 128+n when signal n ended it
	Signal    string // that ended it, without SIG
	Asked     string // by a user, to end: "stop", or a signal without SIG; empty: nobody did
	LastError string // why it did not start, or was lost, or what it said when it ended badly at once
	KeepBytes int64  // of each stream's output, in the guest

	StdinBytes    int64
	StdoutBytes   int64
	StderrBytes   int64
	StdoutDropped int64 // the oldest bytes, kept no more
	StderrDropped int64

	CreatedAt time.Time
	StartedAt time.Time
	EndedAt   time.Time

	// Warning is what its start lacked. It is known in the answer to a start only.
	Warning string

	// Writer and Readers say who is attached. They are known of a running
	// session in a guest that answers, and never stored.
	Writer  bool
	Readers int

	// Attention is whether it needs somebody. It is never stored.
	Attention Attention
}

// Report is what an agent says of a session. Nothing in it is trusted.
type Report struct {
	ID       string
	Exited   bool
	ExitCode int
	Signal   string
	Error    string
	Warning  string
	Dir      string
	Writer   bool
	Readers  int

	StdinBytes, StdoutBytes, StderrBytes, StdoutDropped, StderrDropped int64

	StartedAt, EndedAt time.Time

	// Signals are nil where the agent does not tell.
	Signals *Signals
}

// Event is what an agent says unasked.
type Event struct {
	Snapshot bool // Reports are all sessions of the agent; else those that changed
	Reports  []Report
}

// maxText bounds what of a guest's words is kept, in bytes.
const maxText = 4 << 10

// apply takes over what the agent says. Times are the guest's where they can
// be true, since a daemon may hear of an end long after it.
func (s *Session) apply(r Report, now time.Time) {
	s.StdinBytes, s.StdoutBytes, s.StderrBytes = count(r.StdinBytes), count(r.StdoutBytes), count(r.StderrBytes)
	s.StdoutDropped, s.StderrDropped = count(r.StdoutDropped), count(r.StderrDropped)
	s.Writer, s.Readers = r.Writer, max(0, r.Readers)
	if r.Dir != "" {
		s.Dir = plain.Line(r.Dir, maxText)
	}
	if !s.State.Open() {
		return
	}
	s.State = Running
	if s.StartedAt.IsZero() {
		s.StartedAt = between(s.CreatedAt, r.StartedAt, now)
	}
	if r.Exited {
		s.State, s.ExitCode, s.Signal = Exited, r.ExitCode&0xff, plain.Line(r.Signal, maxText)
		s.LastError = lastWords(r.Error)
		s.EndedAt = between(s.StartedAt, r.EndedAt, now)
	}
}

// storedAs reports whether nothing differs that an agent's report changes and
// that is stored.
func (s *Session) storedAs(o Session) bool {
	o.Writer, o.Readers, o.Attention = s.Writer, s.Readers, s.Attention
	o.Command = s.Command // no report changes it
	return reflect.DeepEqual(*s, o)
}

// onlyCounts reports whether nothing differs but how much went in and out.
func (s *Session) onlyCounts(o Session) bool {
	o.Asked = s.Asked // its end tells
	o.StdinBytes, o.StdoutBytes, o.StderrBytes = s.StdinBytes, s.StdoutBytes, s.StderrBytes
	o.StdoutDropped, o.StderrDropped = s.StdoutDropped, s.StderrDropped
	return s.storedAs(o)
}

// lose records that a session has ended unseen.
func (s *Session) lose(why string, now time.Time) {
	if s.State.Open() {
		s.State, s.LastError, s.EndedAt = Lost, why, now
		s.Writer, s.Readers = false, 0
	}
}

func count(n int64) int64 { return max(0, n) }

// between is t when it lies between the bounds, else the later bound.
func between(from, t, to time.Time) time.Time {
	if t = t.UTC(); t.Before(from) || t.After(to) {
		return to
	}
	return t
}

// lastWords is the end of what a guest says of a failure, which is where the
// reason stands.
func lastWords(text string) string { return plain.Lines(plain.Tail(text, maxText), maxText) }

const (
	maxName    = 63
	maxCommand = 128 << 10
	maxRequire = 64
)

// StartRequest asks for a session. An empty name is made from the command.
type StartRequest struct {
	Name       string
	Command    []string
	Mode       Mode // empty: Pipe
	Dir        string
	Env        []string
	User       string
	Require    []string
	Rows, Cols uint16
	KeepBytes  int64 // 0: the agent's default
	// Credentials are what the command logs in with, or nil. Start sets them.
	Credentials *codingagent.Credentials
}

// Validate returns what a start would refuse of the request by itself, and completes it.
func (r *StartRequest) Validate() error {
	if r.Mode == "" {
		r.Mode = Pipe
	}
	if r.Mode != Pipe && r.Mode != TTY {
		return fault.New(fault.Invalid, "session mode %q is not known", plain.Value(string(r.Mode))).WithHint("use pipe or tty")
	}
	if r.Name != "" {
		if err := ValidateName(r.Name); err != nil {
			return err
		}
	}
	if len(r.Command) == 0 || r.Command[0] == "" {
		return fault.New(fault.Invalid, "the command is empty")
	}
	size := 0
	for _, word := range append(append([]string{r.Dir, r.User}, r.Command...), append(r.Env, r.Require...)...) {
		if strings.ContainsRune(word, 0) {
			return fault.New(fault.Invalid, "%q has a NUL byte in it", plain.Value(word))
		}
		size += len(word)
	}
	if size > maxCommand || len(r.Require) > maxRequire {
		return fault.New(fault.Invalid, "the command, its environment and requirements are too large: %d bytes, %d required", size, len(r.Require)).
			WithHint("use at most %d bytes, and %d required commands", maxCommand, maxRequire)
	}
	for _, entry := range r.Env {
		if key, _, ok := strings.Cut(entry, "="); !ok || key == "" {
			return fault.New(fault.Invalid, "environment entry %q is not valid", plain.Value(entry)).WithHint("write NAME=VALUE")
		}
	}
	if r.KeepBytes < 0 || r.KeepBytes != 0 && (r.KeepBytes < 64<<10 || r.KeepBytes > 64<<20) {
		return fault.New(fault.Invalid, "%d bytes of output to keep is not valid", r.KeepBytes).WithHint("keep 64 KiB to 64 MiB")
	}
	return nil
}

// ValidateName checks a session's name. The fault is Invalid.
func ValidateName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = alnum || i > 0 && (c == '-' || c == '_' || c == '.')
	}
	if !ok {
		return fault.New(fault.Invalid, "session name %q is not valid", plain.Value(name)).
			WithHint("use 1 to %d letters, digits, dots, underscores and hyphens, beginning with a letter or digit", maxName)
	}
	if ids.Like(name) {
		return fault.New(fault.Invalid, "session name %q is not valid: it looks like an ID", name).WithHint("choose another name")
	}
	return nil
}
