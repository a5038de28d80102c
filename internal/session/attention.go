package session

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/plain"
)

// AttentionState says whether a session needs somebody.
type AttentionState string

// The states, the most urgent first.
const (
	NeedsInput AttentionState = "needs_input"
	Working    AttentionState = "working"
	Idle       AttentionState = "idle"
	Done       AttentionState = "done"
)

// Why says what a session needs, or how it is done.
type Why string

// What a session can need, and how one can be done that did not exit with status 0 by
// itself: by an error, a user's request, or with its VM or agent.
const (
	Question Why = "question"
	Approval Why = "approval"
	ByError  Why = "error"
	ByStop   Why = "stopped"
	ByKill   Why = "killed"
	ByLoss   Why = "lost"
)

// Attention is whether a session needs somebody. The zero value: it is not known.
type Attention struct {
	State AttentionState
	Why   Why    // of NeedsInput and Done
	Text  string // in the program's own words, or how it ended: plain, bounded, and not to be trusted
	Since time.Time

	// Exited: ExitCode and Signal are those of the session, which is Done.
	Exited   bool
	ExitCode int
	Signal   string
}

// rank is the lower the more urgent; what is not known comes last.
func (a Attention) rank() int {
	if i := slices.Index([]AttentionState{NeedsInput, Working, Idle, Done}, a.State); i >= 0 {
		return i
	}
	return 4
}

// moreUrgent reports whether a is to be shown before o: of two that need input the one
// that says what for, of two alike the one that waits longer, and of what is done the
// latest.
func (a Attention) moreUrgent(o Attention) bool {
	switch {
	case a.rank() != o.rank():
		return a.rank() < o.rank()
	case a.State == NeedsInput && (a.Text == "") != (o.Text == ""):
		return a.Text != ""
	case a.State == Done:
		return a.Since.After(o.Since)
	}
	return a.Since.Before(o.Since)
}

// same reports whether o says the same, whenever it began.
func (a Attention) same(o Attention) bool {
	o.Since = a.Since
	return a == o
}

// Signals are what an agent sees of a session that runs. Nothing in it is trusted.
type Signals struct {
	Active        bool // there was output in the last seconds
	ActiveSince   time.Time
	OutputAt      time.Time
	InputAt       time.Time
	Reading       bool // a process in the foreground waits for input from the terminal
	ReadingLeader bool // and is the session's first
	ReadingSince  time.Time
	Reader        []string // its command line, or the beginning of it; nil: not known
	Notice        *Notice
	Said          *Said
}

// Notice is the latest notification in a terminal's output. OutputAfter says that output
// went on for long after it.
type Notice struct {
	Text        string
	At          time.Time
	OutputAfter bool
}

// Said is what a program said of its session. State has its words, such as
// "needs-input"; Why may be empty.
type Said struct {
	State, Why, Text string
	At               time.Time
}

// maxSaid bounds what is kept of a guest's words about attention, in bytes.
const maxSaid = 256

// attention decides by the signals of a session that runs. In this order: what a
// program said, and for what it asked until there was input; a notification, until
// there was input or the program went on; a read of the terminal; output.
func (s *Session) attention(sig Signals, now time.Time) Attention {
	at := func(state AttentionState, since time.Time) Attention {
		return Attention{State: state, Since: between(s.StartedAt, since, now)}
	}
	if said := sig.Said; said != nil {
		text := plain.Line(said.Text, maxSaid)
		switch said.State {
		case "needs-input":
			if !sig.InputAt.After(said.At) {
				a := at(NeedsInput, said.At)
				a.Why, a.Text = reason(said.Why, text), text
				return a
			}
		case "working", "idle", "done":
			if sig.holds(*said, now) {
				a := at(AttentionState(said.State), said.At)
				a.Text = text
				return a
			}
		}
	}
	if n := sig.Notice; n != nil && !n.OutputAfter && !sig.InputAt.After(n.At) {
		a := at(NeedsInput, n.At)
		a.Text = plain.Line(n.Text, maxSaid)
		a.Why = reason("", a.Text)
		return a
	}
	if sig.Reading && !s.atPrompt(sig) {
		a := at(NeedsInput, sig.ReadingSince)
		a.Why = Question
		return a
	}
	if sig.Active && !sig.Reading {
		return at(Working, sig.ActiveSince)
	}
	if said := sig.Said; said != nil && said.State == "working" && !now.Before(sig.worksUntil(*said)) {
		return at(Idle, latest(s.StartedAt, sig.worksUntil(*said), sig.InputAt))
	}
	return at(Idle, latest(s.StartedAt, sig.OutputAt, sig.InputAt))
}

// atPrompt reports whether it is a shell that waits for a command, whoever started it. Of an
// agent that does not say what waits, only the session's own shell counts.
func (s *Session) atPrompt(sig Signals) bool {
	if len(sig.Reader) > 0 {
		return isShell(sig.Reader)
	}
	return sig.ReadingLeader && isShell(s.Command)
}

// saidWorking is how long a program that said that it works is taken to, without output. Who
// interrupts one does not hear of that.
const saidWorking = time.Minute

// worksUntil is when a program that said that it works no longer does, unless there is
// output.
func (sig Signals) worksUntil(said Said) time.Time {
	return latest(said.At, sig.OutputAt).Add(saidWorking)
}

// holds reports whether what a program said is still so: nobody was asked for anything
// since, one that works has not been mute for long, and one that was at rest got no input.
func (sig Signals) holds(said Said, now time.Time) bool {
	if n := sig.Notice; n != nil && n.At.After(said.At) {
		return false
	}
	if sig.Reading && sig.ReadingSince.After(said.At) {
		return false
	}
	if said.State == "working" {
		return sig.Active || now.Before(sig.worksUntil(said))
	}
	return !sig.InputAt.After(said.At)
}

// reason is what a program needs, by what it says: the word for it, or else a guess by
// its text.
func reason(why, text string) Why {
	if slices.Contains([]Why{Question, Approval, ByError}, Why(why)) {
		return Why(why)
	}
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case has("permission", "approv", "allow", "confirm"):
		return Approval
	case has("error", "failed", "failure", "crash"):
		return ByError
	}
	return Question
}

// isShell reports whether a command is a shell that takes commands from its terminal:
// one that waits for one asks nothing.
func isShell(command []string) bool {
	shells := []string{"sh", "bash", "dash", "ash", "zsh", "fish", "ksh", "mksh"}
	return len(command) > 0 && slices.Contains(shells, strings.TrimPrefix(path.Base(command[0]), "-")) &&
		!slices.ContainsFunc(command[1:], func(arg string) bool {
			return !strings.HasPrefix(arg, "-") || strings.Contains(arg, "c") && !strings.HasPrefix(arg, "--")
		})
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
