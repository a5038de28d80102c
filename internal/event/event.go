// Package event is the journal of what changes: what the services of bangerd publish
// once they have stored it, numbered, kept within bounds, and read by any number of
// readers that nobody waits for.
package event

import (
	"slices"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Kind is what an event is about.
type Kind string

// The kinds. Sample and Host are never in the journal: see Sampler.
const (
	VM        Kind = "vm"
	Image     Kind = "image"
	Kernel    Kind = "kernel"
	Operation Kind = "operation"
	Session   Kind = "session"
	Workspace Kind = "workspace"
	Snapshot  Kind = "snapshot" // of a VM
	Ports     Kind = "ports"
	Egress    Kind = "egress"
	Daemon    Kind = "daemon"
	Sample    Kind = "sample" // of a VM
	Host      Kind = "host"   // a sample of the host
)

// Kinds returns all kinds, those of the journal first.
func Kinds() []Kind {
	return []Kind{VM, Image, Kernel, Operation, Session, Workspace, Snapshot, Ports, Egress, Daemon, Sample, Host}
}

// ParseKinds reads the names of kinds. None means all of the journal's. The fault is
// Invalid.
func ParseKinds(names []string) ([]Kind, error) {
	var kinds []Kind
	for _, name := range names {
		if !slices.Contains(Kinds(), Kind(name)) {
			return nil, fault.New(fault.Invalid, "event kind %q is not known", plain.Value(name)).
				WithHint("use vm, image, kernel, operation, session, workspace, snapshot, ports, egress, daemon, sample or host")
		}
		kinds = append(kinds, Kind(name))
	}
	if len(kinds) == 0 {
		kinds = slices.DeleteFunc(Kinds(), func(k Kind) bool { return k.Sampled() })
	}
	return kinds, nil
}

// Sampled reports whether events of the kind are measured while somebody watches, and
// not kept.
func (k Kind) Sampled() bool { return k == Sample || k == Host }

// Action says what became of the subject.
type Action string

// The actions. Present tells how something is and not that it has changed.
const (
	Present  Action = "present"
	Created  Action = "created"
	Changed  Action = "changed"
	Deleted  Action = "deleted"
	Ended    Action = "ended"    // an operation, a session
	Prepared Action = "prepared" // a workspace
	Exported Action = "exported"
	Restored Action = "restored" // a snapshot: its VM went back to it
	Denied   Action = "denied"   // egress
	Allowed  Action = "allowed"  // egress: the first use of a name
	Started  Action = "started"  // the daemon
	Stopping Action = "stopping"
)

// Event is one change. Seq and At are the journal's to set.
type Event struct {
	Seq    uint64
	At     time.Time // UTC
	Kind   Kind
	Action Action
	// Name and ID are of what it is about, VM and VMID of the VM that it is in, if any.
	Name, ID string
	VM, VMID string
	// Object is what it is about, encoded, or nil. It is not changed once published.
	Object []byte
	// Key, if set, has the journal keep only the newest Keep events that have it, so
	// that one subject that changes all the time does not push out the others.
	Key  string
	Keep int
	// Fact says that newer events of its key do not say it, too: a reader that has not had it
	// when it makes room for them is told so.
	Fact bool
}

// size is what an event takes in memory, roughly, in bytes.
func (e *Event) size() int {
	const fixed = 256 // the struct, its slot and its key's
	return fixed + len(e.Object) + len(e.Name) + len(e.ID) + len(e.VM) + len(e.VMID) + len(e.Key)
}
