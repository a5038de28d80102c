package agentrpc

import "time"

// QuietAfter is how long a session must have written nothing to count as not active.
const QuietAfter = 5 * time.Second

// MaxSaid bounds the text of a notice, and of what a program says, in bytes.
const MaxSaid = 512

// SessionSignals are what its agent sees of a session that runs: what the host decides
// by whether it works, idles or needs somebody. All of it is the guest's word.
type SessionSignals struct {
	// Active says that there was output within QuietAfter, and ActiveSince since when
	// it has never been quiet longer; OutputAt is the end of the latest that was quiet.
	Active      bool      `json:"active,omitempty"`
	ActiveSince time.Time `json:"active_since,omitzero"`
	OutputAt    time.Time `json:"output_at,omitzero"` // of the latest, while not active
	InputAt     time.Time `json:"input_at,omitzero"`  // of the latest, once something was noticed or said
	// Reading says that a process in the foreground of the terminal waits for input
	// there, and ReadingLeader that it is the session's first process.
	Reading       bool      `json:"reading,omitempty"`
	ReadingLeader bool      `json:"reading_leader,omitempty"`
	ReadingSince  time.Time `json:"reading_since,omitzero"`
	// Reader is the beginning of the command line of that process, bounded. An agent of an
	// earlier build does not say it.
	Reader []string `json:"reader,omitempty"`
	// Notice is the latest notification in the output.
	Notice *SessionNotice `json:"notice,omitempty"`
	// Said is what a program of the session said last.
	Said *SessionSaid `json:"said,omitempty"`
}

// SessionNotice is a notification in the output of a terminal. Source is "bel", "osc9",
// "osc99" or "osc777". OutputAfter says that output went on for QuietAfter after it.
type SessionNotice struct {
	Source      string    `json:"source"`
	Text        string    `json:"text,omitempty"`
	At          time.Time `json:"at"`
	OutputAfter bool      `json:"output_after,omitempty"`
}

// SessionSaid is what a program says of its session by `banger-guest notify`. State is
// "working", "idle", "needs-input" or "done"; Why "question", "approval", "error" or empty.
type SessionSaid struct {
	State string    `json:"state"`
	Why   string    `json:"why,omitempty"`
	Text  string    `json:"text,omitempty"`
	At    time.Time `json:"at"`
}

// NotifySocket is the abstract Unix socket on which the agent takes what programs say:
// one NotifyRequest and one NotifyAnswer, each a line of JSON. It asks for no token: the
// agent finds the session of the process that is connected.
const NotifySocket = "@banger-guest"

// GuestCommand is the agent's name as a command in the guest, and GuestCommandDirs the
// directories of which the first that is there has it.
const GuestCommand = "banger-guest"

// GuestCommandDirs returns a new slice.
func GuestCommandDirs() []string { return []string{"/usr/local/bin", "/usr/bin", "/bin"} }

// NotifyRequest is what a program says: see SessionSaid.
type NotifyRequest struct {
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	Text  string `json:"text,omitempty"`
}

// NotifyAnswer has the ID of the session, or why what was said is dropped.
type NotifyAnswer struct {
	Session string `json:"session,omitempty"`
	Error   string `json:"error,omitempty"`
}
