package agentrpc

import "time"

// Program is the image's entrypoint and command. One that is an init becomes PID 1.
type Program struct {
	Argv []string `json:"argv,omitempty"`
	// StopSignal asks it to end: a name with or without SIG, or a number. Empty: TERM.
	StopSignal string `json:"stop_signal,omitempty"`
	// Restart has the agent run it, if it is no init. Empty: it does not.
	Restart RestartPolicy `json:"restart,omitempty"`
}

// RestartPolicy says when a program that has ended runs again.
type RestartPolicy string

// The restart policies: never; after a status that is not zero; always.
const (
	RestartNo        RestartPolicy = "no"
	RestartOnFailure RestartPolicy = "on-failure"
	RestartAlways    RestartPolicy = "always"
)

// EntrypointState is how far the agent is with the image's program.
type EntrypointState string

// The states of an entrypoint. One that restarts waits for its next start.
const (
	EntrypointRunning    EntrypointState = "running"
	EntrypointRestarting EntrypointState = "restarting"
	EntrypointExited     EntrypointState = "exited"
)

// Entrypoint is how the image's program is that the agent runs.
type Entrypoint struct {
	State    EntrypointState `json:"state"`
	Restarts int             `json:"restarts"`
	ExitCode int             `json:"exit_code"`       // of its last end; 128+n for signal n
	Error    string          `json:"error,omitempty"` // why it did not start the last time
	Since    time.Time       `json:"since"`
}
