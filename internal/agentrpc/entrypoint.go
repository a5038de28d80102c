package agentrpc

import "time"

// Program is the image's entrypoint and command. One that is an init becomes PID 1.
type Program struct {
	Argv []string `json:"argv,omitempty"`
	// StopSignal asks it to end: a name with or without SIG, or a number. Empty: TERM.
	StopSignal string `json:"stop_signal,omitempty"`
	// Restart has the agent run it, if it is no init. Empty: it does not.
	Restart RestartPolicy `json:"restart,omitempty"`
	// Health is checked while the agent runs it. Nil: it is not. An agent of before 0.1
	// checks nothing.
	Health *HealthCheck `json:"health,omitempty"`
}

// HealthCheck is a command that says with status 0 that the program does its work. It is
// run one at a time, as image.HealthCheck says.
type HealthCheck struct {
	Argv          []string      `json:"argv"`
	Interval      time.Duration `json:"interval"` // nanoseconds, as all of them
	Timeout       time.Duration `json:"timeout"`
	StartPeriod   time.Duration `json:"start_period"`
	StartInterval time.Duration `json:"start_interval"`
	Retries       int           `json:"retries"`
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

// HealthState is what the health check makes of the program.
type HealthState string

// The states of health: no check has succeeded yet, and too few have failed to tell; the
// last one succeeded, or too few since have failed; as many in a row failed as count.
const (
	HealthStarting  HealthState = "starting"
	HealthHealthy   HealthState = "healthy"
	HealthUnhealthy HealthState = "unhealthy"
)

// MaxHealthOutput bounds what is kept of a check's output, in bytes.
const MaxHealthOutput = 4 << 10

// EntrypointHealth is how the program is that runs, by its health check. A program that
// does not run has none.
type EntrypointHealth struct {
	State    HealthState `json:"state"`
	Failures int         `json:"failures"`         // in a row
	ExitCode int         `json:"exit_code"`        // of the last check; 128+n for signal n
	Output   string      `json:"output,omitempty"` // the beginning of the last check's, or why it told nothing
	Since    time.Time   `json:"since"`            // of State
}
