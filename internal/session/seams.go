package session

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/vm"
)

// Store keeps the records of sessions. Names are unique in a VM, ids everywhere.
// A VM's sessions go with it. Each method is atomic and safe for concurrent use.
type Store interface {
	// Insert adds a session; Conflict when its name is taken in its VM.
	Insert(ctx context.Context, s Session) error
	// List returns a VM's sessions, oldest first.
	List(ctx context.Context, vmID string) ([]Session, error)
	// Open returns the sessions of all VMs that may still run.
	Open(ctx context.Context) ([]Session, error)
	// Update reads the session with this id, applies change, and stores the
	// result, as one transaction. An error of change is returned as it is, and
	// nothing is stored. NotFound when there is no such session.
	Update(ctx context.Context, id string, change func(*Session) error) (Session, error)
	// Delete removes a session. One that is not there is no error.
	Delete(ctx context.Context, id string) error
}

// Events hears of sessions, once they are stored or removed, and in that order. Its
// methods must not wait.
type Events interface {
	SessionCreated(s Session)
	SessionChanged(s Session)
	SessionDeleted(s Session)
}

// VMs finds VMs.
type VMs interface {
	// Get returns the VM with this name, or unique prefix of its id.
	Get(ctx context.Context, name string) (vm.VM, error)
}

// Guests asks the agents of living VMs, by VM id. Unavailable when one does not
// answer.
type Guests interface {
	// StartSession starts the session, whose ID is id. Invalid, with a diagnosis,
	// when the guest lacks something.
	StartSession(ctx context.Context, vmID, id string, req StartRequest) (Report, error)
	// ListSessions returns all sessions that the agent knows.
	ListSessions(ctx context.Context, vmID string) ([]Report, error)
	// FollowSessions calls tell with all sessions and then with each change,
	// until ctx ends, tell returns an error, or the agent is gone.
	FollowSessions(ctx context.Context, vmID string, tell func(Event) error) error
	// StopSession returns when the session has ended.
	StopSession(ctx context.Context, vmID, id string, timeout time.Duration) (Report, error)
	// SignalSession sends a signal by its name or number.
	SignalSession(ctx context.Context, vmID, id, signal string) error
	// RemoveSession makes the agent forget a session that has ended.
	RemoveSession(ctx context.Context, vmID, id string) error
}

// Pipes reads and writes sessions, by VM id and session id.
type Pipes interface {
	// SendSession writes p as one piece, and ends the input then if eof is set.
	SendSession(ctx context.Context, vmID, id string, p []byte, eof bool) error
	// ReadSession returns output.
	ReadSession(ctx context.Context, vmID, id string, req OutputRequest) (Output, error)
}

// OutputRequest says which output is wanted.
type OutputRequest struct {
	Stderr bool  // instead of stdout
	Offset int64 // negative: the oldest that is kept
	Max    int   // bytes; 0: as many as go in one answer
	// Wait is how long to wait for output where there is none yet.
	Wait time.Duration
}

// Output is a piece of a session's output.
type Output struct {
	Offset int64 // of the first byte of Data
	Lost   int64 // bytes before it that were asked for and are kept no more
	End    int64 // all that was written so far
	Data   []byte
	Ended  bool // nothing comes after End
}
