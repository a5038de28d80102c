package api

import (
	"encoding/json"
	"time"
)

// Event is what changed, as the data of one server-sent event of GET /v1/events.
type Event struct {
	ID     string    `json:"id,omitempty" doc:"EPOCH-NUMBER: since, to continue after this event; present, reset, sample and host events have none"`
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind" enum:"vm,image,kernel,operation,session,workspace,snapshot,ports,egress,daemon,sample,host,reset,live" doc:"reset: forget what you know, the present state follows; live: you have all there is; what comes next is new"`
	Action string    `json:"action,omitempty" enum:",present,created,changed,deleted,ended,prepared,exported,restored,denied,allowed,started,stopping"`
	Name   string    `json:"name,omitempty" doc:"of what the event is about; of an operation, its subject"`
	Object string    `json:"object_id,omitempty" doc:"the ID of what the event is about"`
	VM     string    `json:"vm,omitempty" doc:"the VM it is in"`
	VMID   string    `json:"vm_id,omitempty"`
	Reason string    `json:"reason,omitempty" doc:"of a reset: start, another daemon, or fell behind"`
	// Body is what the event is about. Nil where it is gone, has none, or is larger than 64 KiB.
	Body json.RawMessage `json:"body,omitempty" doc:"a VM (without workspace, runtime and attention), an Operation (without result), a Session, a Workspace, a Snapshot, an EgressDecision, Stats, HostStats or Build, by kind"`
}

// The kinds of events: Event.Kind.
const (
	EventVM        = "vm"
	EventImage     = "image"
	EventKernel    = "kernel"
	EventOperation = "operation"
	EventSession   = "session"
	EventWorkspace = "workspace"
	EventSnapshot  = "snapshot"
	EventPorts     = "ports"
	EventEgress    = "egress"
	EventDaemon    = "daemon"
	EventSample    = "sample"
	EventHost      = "host"
	EventReset     = "reset"
	EventLive      = "live"
)

// EventKinds returns the kinds that can be asked for.
func EventKinds() []string {
	return []string{
		EventVM, EventImage, EventKernel, EventOperation, EventSession, EventWorkspace, EventSnapshot, EventPorts, EventEgress, EventDaemon, EventSample, EventHost,
	}
}

// The actions of events: Event.Action.
const (
	ActionPresent  = "present"
	ActionCreated  = "created"
	ActionChanged  = "changed"
	ActionDeleted  = "deleted"
	ActionEnded    = "ended"
	ActionPrepared = "prepared"
	ActionExported = "exported"
	ActionRestored = "restored"
	ActionDenied   = "denied"
	ActionAllowed  = "allowed"
	ActionStarted  = "started"
	ActionStopping = "stopping"
)

// Build is a daemon, as its events tell.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

// EgressDecision is a denial, or the first use of a name.
type EgressDecision struct {
	EgressRecord
	Missed int64 `json:"missed,omitempty" doc:"how many there were before it that have no event; the egress log has them"`
}
