// Package vm holds the rules of a virtual machine's life: what it is, which
// states it passes through, and what each verb does.
package vm

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// State is where a VM is in its life, as the user sees it.
type State string

// The states. A VM that is not running is stopped (it went down, or has never
// run), or failed (it did not end as anybody asked; ExitReason says how).
const (
	Stopped  State = "stopped"
	Starting State = "starting"
	Running  State = "running"
	Paused   State = "paused"
	Stopping State = "stopping"
	Failed   State = "failed"
	// Suspended is a VM whose machine is on disk: it goes on where it was.
	Suspended State = "suspended"
)

// Alive reports whether a monitor should exist for a VM in this state.
func (s State) Alive() bool {
	switch s {
	case Starting, Running, Paused, Stopping:
		return true
	default:
		return false
	}
}

// InitMode says what PID 1 of the guest should become.
type InitMode string

// The init modes: the image's own init if it is really there and else the
// agent; the image's or nothing; the agent.
const (
	InitAuto  InitMode = "auto"
	InitImage InitMode = "image"
	InitAgent InitMode = "agent"
)

// NetworkMode says what network a VM has.
type NetworkMode string

// The network modes: a virtual network in user space; no NIC at all.
const (
	NetworkUser NetworkMode = "user"
	NetworkNone NetworkMode = "none"
)

// FilesMode says what becomes of the files that banger places in a guest when it starts.
type FilesMode string

// The modes: they are placed; those that the VM's disk has from the one it is a copy of are
// emptied by the next start, and then none are placed; none are.
const (
	FilesPlaced  FilesMode = ""
	FilesEmptied FilesMode = "emptied"
	FilesNone    FilesMode = "none"
)

// VM is what the user wants and what is known of it. ID is 16 lower-case hex
// digits; sizes are bytes; times are UTC, zero when it has not happened.
type VM struct {
	ID          string
	Name        string
	ImageID     string
	Image       string // the name it was created from
	Kernel      string
	VCPU        int
	MemoryBytes int64
	DiskBytes   int64
	Init        InitMode
	// Entrypoint is the restart policy under which the image's program runs. Empty: it
	// does not.
	Entrypoint RestartPolicy
	// NoHealthcheck says that the health check of the image is not run.
	NoHealthcheck bool
	// User runs commands that name nobody: "name", "uid" or "uid:gid". Empty: root.
	User    string
	Env     []string
	Labels  map[string]string
	Network NetworkMode
	// Index is the VM's number among those of this user, which its addresses are
	// made of: see Loopback and GuestAddresses. It is unique in the store.
	Index       int
	Egress      string // the policy, as text
	Publish     []Publish
	Ports       PortsMode // which of its listeners appear on the host by themselves
	State       State
	Driver      string // of the last start, or given since; empty: the next start chooses
	ExitReason  string
	ExitMessage string
	ExitHint    fault.Hint // what to do about it; nil: nothing is known
	// Console says that the VM has a console log on each driver. NoConsole says that its
	// last start has none.
	Console   bool
	NoConsole bool
	// Nested says that the guest's CPUs can run VMs themselves.
	Nested bool
	// Protected says that it is not to be deleted.
	Protected bool
	// ResetPending says that the next start clears the system part of the disk.
	ResetPending bool
	// Files says what becomes of the files that banger places in guests.
	Files   FilesMode
	StartID string // of the last start
	// BootTimeline is of the last start; zero: there was none since banger records it.
	BootTimeline BootTimeline
	HostBootID   string // of the host at the last start
	// Provisional says that the VM is being made or removed. One that is found
	// so when the daemon starts is removed with all it has.
	Provisional bool
	CreatedAt   time.Time
	StartedAt   time.Time
	StoppedAt   time.Time
}
