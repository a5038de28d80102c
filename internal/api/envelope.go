package api

// Protocol numbers the API's wire behaviour within Version. A client can talk
// to a daemon of the same Version whose Protocol is at least its own.
const Protocol = 1

// BuildHeader is on every answer of the daemon: its build as
// "VERSION COMMIT UNIXSECONDS", so that a client that asks something else
// first still learns which daemon it talks to.
const BuildHeader = "Banger-Build"

// StateHeader may be on any request: the state directory whose daemon is
// meant. A daemon of another answers Conflict, since a socket's path can be
// shared by two homes of one user.
const StateHeader = "Banger-State"

// SettingsHeader may be on any request: the configuration of the client's own
// command (config.Encode), which holds for what the request asks for. Without it
// bangerd's own holds.
const SettingsHeader = "Banger-Settings"

// HasSettings reports whether a configuration holds for requests to an endpoint, given
// by its whole path. None holds for what commands ask of a daemon that may be of another
// build, which may not know a setting of theirs.
func HasSettings(path string) bool {
	return path != "/"+Version+PingPath && path != "/"+Version+StopPath
}

// The endpoints below /v1 that each build answers to all others.
const (
	PingPath = "/ping"
	StopPath = "/daemon/stop"
)

// Upgrade tokens of POST /v1/vms/{name}/exec and GET /v1/vms/{name}/stream/{port}.
const (
	ExecProtocol = "banger-exec-v1"
)

// List is the body of every listing.
type List[T any] struct {
	Items []T `json:"items"`
}

// RestartVM is the body of that verb: how long the guest may take to go down,
// and what to wait for when it comes up again.
type RestartVM struct {
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" doc:"then the VM is powered off; default 20, 0 powers it off at once"`
	Wait           string   `json:"wait,omitempty" doc:"ready (default), started, none or port:N"`
}

// StopDaemon asks bangerd to end. VMs live on.
type StopDaemon struct {
	Force bool `json:"force,omitempty" doc:"cancel operations in progress instead of refusing"`
}

// OperationEvent names the server-sent event whose data is an Operation.
const OperationEvent = "operation"
