package agentrpc

import (
	"encoding/json"
	"time"

	"github.com/bangervm/banger/internal/jsonlist"
)

// Paths of the agent's HTTP API for sessions; {id} is SessionStart.ID.
//
//	POST   /v1/sessions             SessionStart → SessionInfo
//	GET    /v1/sessions             → SessionEvent with all sessions
//	GET    /v1/sessions/events      → one SessionEvent a line, without end
//	GET    /v1/sessions/{id}        → SessionInfo
//	DELETE /v1/sessions/{id}        forgets one that has ended
//	GET    /v1/sessions/{id}/output → SessionOutput (query: stream, offset, max, wait_ms)
//	POST   /v1/sessions/{id}/stdin  the bytes, at most MaxSend (query: eof)
//	POST   /v1/sessions/{id}/stop   SessionStop
//	POST   /v1/sessions/{id}/signal SessionSignal
//	POST   /v1/sessions/{id}/attach SessionAttach, Upgrade: AttachProtocol
const (
	PathSessions      = "/v1/sessions"
	PathSessionEvents = "/v1/sessions/events"
)

// Bounds of sessions.
const (
	// MaxSend is the most bytes that one send may have.
	MaxSend = 64 << 10
	// MaxStop is the longest that a stop may give a session to end.
	MaxStop = 24 * time.Hour
	// MaxOutputRead is the most bytes of one SessionOutput.
	MaxOutputRead = 256 << 10
	// StdinWindow is how many bytes an attached writer may have sent that the
	// command has not read yet.
	StdinWindow = 256 << 10
	// DefaultKeep is how much of each output stream is kept, in bytes, MinKeep
	// and MaxKeep what may be asked for.
	DefaultKeep = 4 << 20
	MinKeep     = 64 << 10
	MaxKeep     = 64 << 20
	// MaxSessions is the most sessions that one SessionEvent may have: more than
	// fit into its line.
	MaxSessions = 4096
)

// SessionStart asks for a session. Starting one whose ID is known already
// returns that one.
type SessionStart struct {
	ID      string   `json:"id"`
	Command []string `json:"command"`
	Dir     string   `json:"dir,omitempty"`  // empty: the image's
	Env     []string `json:"env,omitempty"`  // "K=V", after the guest's own
	User    string   `json:"user,omitempty"` // name, uid, or uid:gid; empty: Configure.User
	// Require names commands that must be found before anything is started.
	Require   []string `json:"require,omitempty"`
	TTY       bool     `json:"tty,omitempty"`
	Rows      uint16   `json:"rows,omitempty"`
	Cols      uint16   `json:"cols,omitempty"`
	KeepBytes int64    `json:"keep_bytes,omitempty"` // of each stream; 0: DefaultKeep
	// Credentials are what the command logs in with; nil asks for none.
	Credentials *Credentials `json:"credentials,omitempty"`
}

// Credentials are what a command logs in with. One of them is enough. Without any, a
// session with pipes is refused; in a terminal somebody can log in, so it is warned of.
type Credentials struct {
	Env   []string `json:"env,omitempty"`   // variables
	Files []string `json:"files,omitempty"` // in the user's home, each "~/…"
}

// SessionState is how far a session is, as its agent knows it.
type SessionState string

// The states of a session in its guest.
const (
	SessionRunning SessionState = "running"
	SessionExited  SessionState = "exited"
)

// SessionInfo is a session as its agent sees it. Dropped counts the oldest
// bytes that are kept no more.
type SessionInfo struct {
	ID            string       `json:"id"`
	State         SessionState `json:"state"`
	ExitCode      int          `json:"exit_code"`         // 128+n when signal n ended it
	Signal        string       `json:"signal,omitempty"`  // without SIG
	Error         string       `json:"error,omitempty"`   // what it said on stderr when it ended badly and at once
	Warning       string       `json:"warning,omitempty"` // of its start
	Dir           string       `json:"dir"`
	PID           int          `json:"pid"`
	StdinBytes    int64        `json:"stdin_bytes"`
	StdoutBytes   int64        `json:"stdout_bytes"`
	StderrBytes   int64        `json:"stderr_bytes"`
	StdoutDropped int64        `json:"stdout_dropped"`
	StderrDropped int64        `json:"stderr_dropped"`
	StdinClosed   bool         `json:"stdin_closed,omitempty"`
	Writer        bool         `json:"writer"` // somebody is attached to write
	Readers       int          `json:"readers"`
	StartedAt     time.Time    `json:"started_at"`
	EndedAt       time.Time    `json:"ended_at,omitzero"`
	// Signals are known of a session that runs.
	Signals *SessionSignals `json:"signals,omitempty"`
}

// SessionEvent is one line of the events. The first has Snapshot set and holds
// all sessions; the others hold those that changed.
type SessionEvent struct {
	// Agent names the agent's process: sessions end with it.
	Agent    string        `json:"agent"`
	Snapshot bool          `json:"snapshot,omitempty"`
	Sessions []SessionInfo `json:"sessions"`
}

// UnmarshalJSON refuses more than MaxSessions sessions.
func (e *SessionEvent) UnmarshalJSON(data []byte) error {
	var raw struct {
		Agent    string          `json:"agent"`
		Snapshot bool            `json:"snapshot"`
		Sessions json.RawMessage `json:"sessions"`
	}
	err := json.Unmarshal(data, &raw)
	if err == nil {
		e.Agent, e.Snapshot = raw.Agent, raw.Snapshot
		e.Sessions, err = jsonlist.Decode[SessionInfo](raw.Sessions, MaxSessions)
	}
	return err
}

// SessionOutput is a piece of what a session wrote to one stream.
type SessionOutput struct {
	Offset int64  `json:"offset"` // of the first byte of Data
	Lost   int64  `json:"lost"`   // bytes between the offset asked for and Offset that are kept no more
	End    int64  `json:"end"`    // all that was written so far
	Data   []byte `json:"data"`
	Ended  bool   `json:"ended"` // nothing comes after End
}

// SessionStop ends a session: SIGTERM to its process group, SIGKILL after the
// timeout. It is answered when the session has ended.
type SessionStop struct {
	TimeoutMillis int64 `json:"timeout_millis"`
}

// SessionSignal sends a signal to a session's process group.
type SessionSignal struct {
	Signal string `json:"signal"` // name without SIG, as in RFC 4254 6.9, or a number
}

// Stream is an output of a session. A terminal has only Stdout.
type Stream byte

// The streams.
const (
	Stdout Stream = 0
	Stderr Stream = 1
)
