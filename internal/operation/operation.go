// Package operation runs long work: named stages with progress, cancellation, and
// a record that outlives the connection that began it, and the daemon.
package operation

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// State is how far an operation has come.
type State string

// The states.
const (
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// Ended reports whether an operation in this state changes no more.
func (s State) Ended() bool { return s != Running }

// Operation is the record of one piece of work. Times are UTC.
type Operation struct {
	ID        string
	Kind      string
	Subject   string
	State     State
	Stages    []Stage
	Code      string // of the fault, when it failed or was cancelled
	Message   string
	Hint      fault.Hint
	Result    json.RawMessage
	CreatedAt time.Time
	EndedAt   time.Time // zero while it runs
}

// StageState is how far a stage has come.
type StageState string

// The states of a stage.
const (
	StageRunning StageState = "running"
	StageDone    StageState = "done"
	StageFailed  StageState = "failed"
)

// Stage is one named part of an operation. Total is 0 when it is not known.
type Stage struct {
	Name      string
	State     StageState
	Detail    string
	Done      int64
	Total     int64
	Unit      string
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
}

// Progress is how work tells of itself. Its methods are safe for concurrent
// use and never block on whoever watches.
type Progress interface {
	// Stage ends the stage before it and begins the next.
	Stage(name string)
	// Detail says one line about the present stage.
	Detail(format string, args ...any)
	// Count sets how much of the present stage is done. Total 0: not known.
	// Unit is "bytes" or empty.
	Count(done, total int64, unit string)
}

// Discard is a Progress that nobody watches.
type Discard struct{}

// Stage does nothing.
func (Discard) Stage(string) {}

// Detail does nothing.
func (Discard) Detail(string, ...any) {}

// Count does nothing.
func (Discard) Count(int64, int64, string) {}

// endStage ends the stage under way, if there is one.
func (o *Operation) endStage(state StageState, now time.Time) {
	if n := len(o.Stages); n > 0 && o.Stages[n-1].State == StageRunning {
		o.Stages[n-1].State = state
		o.Stages[n-1].EndedAt = now
	}
}

// clone returns a copy that shares nothing which changes.
func (o *Operation) clone() Operation {
	c := *o
	c.Stages = slices.Clone(o.Stages)
	return c
}
