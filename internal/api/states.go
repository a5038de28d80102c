package api

// The states of a VM: VM.State.
const (
	VMStopped  = "stopped"
	VMStarting = "starting"
	VMRunning  = "running"
	VMPaused   = "paused"
	VMStopping = "stopping"
	VMFailed   = "failed"
	// VMSuspended is a VM whose memory is on disk, and of which nothing runs.
	VMSuspended = "suspended"
)

// VMStates returns every state of a VM.
func VMStates() []string {
	return []string{VMStopped, VMStarting, VMRunning, VMPaused, VMSuspended, VMStopping, VMFailed}
}

// The states of an operation: Operation.State.
const (
	OperationRunning   = "running"
	OperationSucceeded = "succeeded"
	OperationFailed    = "failed"
	OperationCanceled  = "canceled"
)

// The states of a stage, Stage.State, and the one unit that it can have.
const (
	StageRunning = "running"
	StageDone    = "done"
	StageFailed  = "failed"

	UnitBytes = "bytes"

	// StageDiscardMemory is the stage, by its name, in which the memory of a suspended VM goes.
	StageDiscardMemory = "discard the suspended memory"
)

// The states of a session, Session.State, and its modes.
const (
	SessionStarting = "starting"
	SessionRunning  = "running"
	SessionExited   = "exited"
	SessionFailed   = "failed"
	SessionLost     = "lost"

	SessionPipe = "pipe"
	SessionTTY  = "tty"
)

// The states of attention, Attention.State, the most urgent first, and what a session
// needs: Attention.Why.
const (
	AttentionNeedsInput = "needs_input"
	AttentionWorking    = "working"
	AttentionIdle       = "idle"
	AttentionDone       = "done"

	WhyQuestion = "question"
	WhyApproval = "approval"
	WhyError    = "error"
	WhyStopped  = "stopped"
	WhyKilled   = "killed"
	WhyLost     = "lost"
)

// What is known of a workspace: Workspace.State.
const (
	WorkspaceClean   = "clean"
	WorkspaceChanged = "changed"
	WorkspaceUnknown = "unknown"
)

// Why a snapshot was taken: Snapshot.Origin.
const (
	SnapshotAsked      = "asked"
	SnapshotOfRollback = "rollback"
)

// The networks of a VM, VM.Network, and which of its ports appear by themselves,
// VM.Ports.
const (
	NetworkUser = "user"
	NetworkNone = "none"

	PortsAll    = "all"
	PortsShared = "shared"
	PortsNone   = "none"
)

// The protocols of ports and forwards.
const (
	ProtoTCP  = "tcp"
	ProtoUDP  = "udp"
	ProtoUnix = "unix"
)
