// Package monitorrpc is what bangerd and the monitor of one VM say to each
// other: HTTP/1.1 on the VM's run/monitor.sock (0600). The monitor is
// the server. bangerd speaks this version and the one before, since monitors
// outlive an upgrade.
//
//	GET  /v1/status  Status
//	GET  /v1/events  newline-delimited Status: the present one at once, then one for each change, until the monitor ends
//	POST /v1/pause, /v1/resume   200 when done
//	POST /v1/stop    StopRequest; 202 at once, the end is an event
//	POST /v1/kill    KillRequest; sends a signal to the VMM process
//
// Since version 2 (see network.go):
//
//	POST /v1/egress      EgressRequest; the policy, from now on
//	POST /v1/neighbours  NeighboursRequest; all of them
//	GET  /v1/ports       Ports
//	POST /v1/forwards    Forward; answers the Forward as it was made
//	POST /v1/forwards/remove  Forward
//	GET  /v1/stats       Stats
//
// Since a build of version 2; a monitor of an earlier one answers 404:
//
//	POST /v1/suspend     200 when the machine is on disk; its end, with the reason suspended, is an event
//
// Errors are fault bodies: {"code","message","hint","hint_parts"} with a 4xx or 5xx status.
//
// The agent channel is run/vsock.sock, by Firecracker's hybrid vsock contract.
package monitorrpc

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Version is the protocol this build speaks; MinVersion the oldest it understands.
const (
	Version    = 2
	MinVersion = 1
)

// Phase is how far a start has come.
type Phase string

// The phases, in order. Exited is the last event of a monitor.
const (
	PhaseBooting     Phase = "booting"     // VMM running, no agent yet
	PhaseConfiguring Phase = "configuring" // the agent said hello
	PhaseReady       Phase = "ready"
	PhaseStopping    Phase = "stopping"
	PhaseExited      Phase = "exited"
)

// MaxAnswer bounds an answer or an event, in bytes: bangerd reads no more.
const MaxAnswer = 128 << 10

// Status is the monitor's view of its VM.
type Status struct {
	Protocol int    `json:"protocol"`
	Build    string `json:"build"` // of the monitor: version+commit
	VMID     string `json:"vm_id"`
	StartID  string `json:"start_id"`
	Driver   string `json:"driver"`
	PID      int    `json:"pid"`
	VMMPID   int    `json:"vmm_pid"`
	Phase    Phase  `json:"phase"`
	Paused   bool   `json:"paused"`
	Stage    string `json:"stage,omitempty"` // the agent's, while configuring
	Init     string `json:"init,omitempty"`  // what PID 1 is, once ready
	AgentOK  bool   `json:"agent_connected"`
	Agent    string `json:"agent_build,omitempty"`
	Boots    int    `json:"boots"`
	Warning  string `json:"warning,omitempty"` // why the VMM stopped by itself (I/O error, host disk full)
	// Notes say what the guest goes on without, once ready.
	Notes []string `json:"notes,omitempty"`
	// Entrypoint is how the image's program is, where the guest's agent runs it.
	Entrypoint *Entrypoint `json:"entrypoint,omitempty"`
	// EntrypointHealth is what its health check says; nil: it has none, or does not run.
	EntrypointHealth *EntrypointHealth `json:"entrypoint_health,omitempty"`
	// Confinement is what the VMM, and MonitorConfinement what the monitor gave up of
	// the host, as words for people; empty: it is not known.
	Confinement        string `json:"confinement,omitempty"`
	MonitorConfinement string `json:"monitor_confinement,omitempty"`
	// PortsChanged counts the changes of Ports; 0: a monitor that does not tell.
	PortsChanged int64 `json:"ports_changed,omitempty"`
	// EgressNews are the latest denials and first uses of names, at most MaxEgressNews.
	EgressNews []EgressNews `json:"egress_news,omitempty"`
	StartedAt  time.Time    `json:"started_at"`
	ReadyAt    time.Time    `json:"ready_at,omitzero"`
	// Boot is how far the start came; zero: a monitor of an older build.
	Boot BootTimeline `json:"boot,omitzero"`
	// Set in PhaseExited only; the same as exit.json.
	ExitReason  string `json:"exit_reason,omitempty"`
	ExitMessage string `json:"exit_message,omitempty"`
	ExitFailed  bool   `json:"exit_failed,omitempty"`
	// ExitProblem is why the VMM did not start.
	ExitProblem *fault.Problem `json:"exit_problem,omitempty"`
	ExitedAt    time.Time      `json:"exited_at,omitzero"`
}

// BootTimeline is when a start reached its points, since bangerd began it; 0: it has not.
type BootTimeline struct {
	How      string `json:"how"` // "cold", "template", "resumed"
	Driver   string `json:"driver"`
	Template string `json:"template,omitempty"` // the key of the saved machine to go on from
	// NotRestored is why it is cold in spite of that.
	NotRestored string        `json:"not_restored,omitempty"`
	Monitor     time.Duration `json:"monitor_ns"`
	VMM         time.Duration `json:"vmm_ns"`
	Connected   time.Duration `json:"connected_ns"`
	Configured  time.Duration `json:"configured_ns"`
	Ready       time.Duration `json:"ready_ns"`
}

// Entrypoint is the image's program. State is "running", "restarting" or "exited".
type Entrypoint struct {
	State    string    `json:"state"`
	Restarts int       `json:"restarts"`
	ExitCode int       `json:"exit_code"` // of its last end
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
}

// EntrypointHealth is of the program that runs. State is "starting", "healthy" or
// "unhealthy".
type EntrypointHealth struct {
	State    string    `json:"state"`
	Failures int       `json:"failures"`  // in a row
	ExitCode int       `json:"exit_code"` // of the last check
	Output   string    `json:"output,omitempty"`
	Since    time.Time `json:"since"`
}

// StopRequest asks for a graceful shutdown, then a hard one.
type StopRequest struct {
	// TimeoutMillis is how long the guest may take. Zero: hard at once.
	TimeoutMillis int64 `json:"timeout_millis"`
}

// KillRequest sends a signal, by number, to the VMM process.
type KillRequest struct {
	Signal int `json:"signal"`
}

// Paths of the monitor's HTTP API.
const (
	PathStatus = "/v1/status"
	PathEvents = "/v1/events"
	PathPause  = "/v1/pause"
	PathResume = "/v1/resume"
	PathStop   = "/v1/stop"
	PathKill   = "/v1/kill"

	PathSuspend = "/v1/suspend"

	PathEgress        = "/v1/egress"
	PathNeighbours    = "/v1/neighbours"
	PathPorts         = "/v1/ports"
	PathForwards      = "/v1/forwards"
	PathForwardRemove = "/v1/forwards/remove"
	PathStats         = "/v1/stats"
)

// ReadyLine is what a monitor writes to the descriptor ReadyFD, which its
// parent left open for it, once its VMM runs and monitor.sock answers. When the
// start fails it writes a Problem, as one JSON line, instead. A monitor that saves its
// machine writes it when that is done.
const (
	ReadyLine = "ready\n"
	ReadyFD   = 3
)

// A monitor whose spec has a Template inherits the saved machine's files as these descriptors.
const (
	StateFD  = 4
	MemoryFD = 5
)
