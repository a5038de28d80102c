// Package operation is long work: named stages with progress, cancellation, and
// a record that outlives the connection which began it, and the daemon.
package operation

import (
	"encoding/json"
	"time"
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

// Operation is the record of one piece of work.
type Operation struct {
	ID        string
	Kind      string
	Subject   string
	State     State
	Stages    []Stage
	Code      string // of the fault, when it failed
	Message   string
	Hint      string
	Result    json.RawMessage
	CreatedAt time.Time
	EndedAt   time.Time
}

// Stage is one named part of an operation. Total is 0 when it is not known.
type Stage struct {
	Name      string
	State     State
	Detail    string
	Done      int64
	Total     int64
	Unit      string
	StartedAt time.Time
	EndedAt   time.Time
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
