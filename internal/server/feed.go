package server

import (
	"encoding/json"
	"log/slog"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// keepOfOne is how many events of one VM, or of one session, the journal keeps.
const keepOfOne = 64

// Feed writes what the services tell into the journal, as the API words it. It
// implements the Events of each of them, and waits for nobody.
type Feed struct {
	journal *event.Journal
	uid     int
	vmName  func(id string) string
	log     *slog.Logger
}

var (
	_ vm.Events        = (*Feed)(nil)
	_ session.Events   = (*Feed)(nil)
	_ workspace.Events = (*Feed)(nil)
	_ image.Events     = (*Feed)(nil)
	_ kernel.Events    = (*Feed)(nil)
	_ operation.Events = (*Feed)(nil)
)

// NewFeed returns a Feed to journal of the daemon of the user with this uid. vmName is
// the name of the VM with an id, or empty, from memory.
func NewFeed(journal *event.Journal, uid int, vmName func(id string) string, log *slog.Logger) *Feed {
	return &Feed{journal: journal, uid: uid, vmName: vmName, log: log}
}

// publish encodes what an event is about, if body is not nil, and publishes it.
func (f *Feed) publish(e event.Event, body any) {
	e.Object = encoded(f.log, body)
	f.journal.Publish(e)
}

// encoded is body as JSON, or nil.
func encoded(log *slog.Logger, body any) []byte {
	if body == nil {
		return nil
	}
	object, err := json.Marshal(body)
	if err != nil {
		log.Error("an event's object is left out", "error", err)
		return nil
	}
	return object
}

// VMCreated implements vm.Events.
func (f *Feed) VMCreated(v vm.VM) { f.publish(vmEvent(event.Created, v), vmBody(f.uid, v)) }

// VMChanged implements vm.Events.
func (f *Feed) VMChanged(v vm.VM) { f.publish(vmEvent(event.Changed, v), vmBody(f.uid, v)) }

// VMDeleted implements vm.Events.
func (f *Feed) VMDeleted(v vm.VM) { f.publish(vmEvent(event.Deleted, v), nil) }

func vmEvent(what event.Action, v vm.VM) event.Event {
	return event.Event{
		Kind: event.VM, Action: what, Name: v.Name, ID: v.ID, VM: v.Name, VMID: v.ID, Key: "vm " + v.ID, Keep: keepOfOne,
	}
}

// SessionCreated implements session.Events.
func (f *Feed) SessionCreated(s session.Session) { f.session(event.Created, s) }

// SessionChanged implements session.Events.
func (f *Feed) SessionChanged(s session.Session) {
	if !s.State.Open() {
		f.session(event.Ended, s)
		return
	}
	f.session(event.Changed, s)
}

// SessionDeleted implements session.Events.
func (f *Feed) SessionDeleted(s session.Session) {
	f.publish(sessionEvent(event.Deleted, f.vmName(s.VMID), s), nil)
}

func (f *Feed) session(what event.Action, s session.Session) {
	name := f.vmName(s.VMID)
	f.publish(sessionEvent(what, name, s), sessionBody(name, s))
}

func sessionEvent(what event.Action, vmName string, s session.Session) event.Event {
	return event.Event{
		Kind: event.Session, Action: what, Name: s.Name, ID: s.ID, VM: vmName, VMID: s.VMID, Key: "session " + s.ID, Keep: keepOfOne,
	}
}

// WorkspaceChanged implements workspace.Events.
func (f *Feed) WorkspaceChanged(v vm.VM, w workspace.Workspace, what workspace.Happening) {
	f.publish(workspaceEvent(event.Action(what), v), workspaceBody(w, v))
}

func workspaceEvent(what event.Action, v vm.VM) event.Event {
	return event.Event{Kind: event.Workspace, Action: what, Name: v.Name, VM: v.Name, VMID: v.ID, Key: "workspace " + v.ID, Keep: keepOfOne}
}

// SnapshotChanged implements vm.Events.
func (f *Feed) SnapshotChanged(v vm.VM, one snapshot.Snapshot, what vm.SnapshotHappening) {
	f.publish(event.Event{
		Kind: event.Snapshot, Action: event.Action(what), Name: one.Label(), ID: one.ID, VM: v.Name, VMID: v.ID, Key: "snapshots " + v.ID, Keep: keepOfOne,
	}, snapshotBody(v, one))
}

// ImageChanged implements image.Events.
func (f *Feed) ImageChanged(m image.Manifest) { f.publish(imageEvent(event.Changed, m), nil) }

// ImageDeleted implements image.Events.
func (f *Feed) ImageDeleted(m image.Manifest) { f.publish(imageEvent(event.Deleted, m), nil) }

func imageEvent(what event.Action, m image.Manifest) event.Event {
	e := event.Event{Kind: event.Image, Action: what, ID: m.ID}
	if n := len(m.Names); n > 0 {
		e.Name = m.Names[n-1].Name
	}
	return e
}

// KernelChanged implements kernel.Events.
func (f *Feed) KernelChanged(m kernel.Manifest) {
	f.publish(event.Event{Kind: event.Kernel, Action: event.Changed, Name: m.Name}, nil)
}

// KernelDeleted implements kernel.Events.
func (f *Feed) KernelDeleted(name string) {
	f.publish(event.Event{Kind: event.Kernel, Action: event.Deleted, Name: name}, nil)
}

// OperationChanged implements operation.Events.
func (f *Feed) OperationChanged(op operation.Operation) {
	e, body := operationEvent(op)
	f.publish(e, body)
}

// operationEvent is the event of an operation as it is, and its body. Of what goes on
// only the newest is kept: it has all stages.
func operationEvent(op operation.Operation) (event.Event, api.Operation) {
	e := event.Event{Kind: event.Operation, Action: event.Changed, Name: op.Subject, ID: op.ID}
	switch {
	case op.State.Ended():
		e.Action = event.Ended
	case len(op.Stages) == 0:
		e.Action = event.Created
	default:
		e.Key, e.Keep = "operation "+op.ID, 1
	}
	op.Result = nil // it is the operation's to tell, and can be large
	return e, operationBody(op)
}

// DaemonChanged tells of this daemon.
func (f *Feed) DaemonChanged(what event.Action, build buildinfo.Info) {
	f.publish(event.Event{Kind: event.Daemon, Action: what}, api.Build{Version: build.Version, Commit: build.Commit})
}

// PortsChanged implements vm.Events.
func (f *Feed) PortsChanged(v vm.VM) {
	f.publish(event.Event{Kind: event.Ports, Action: event.Changed, Name: v.Name, VM: v.Name, VMID: v.ID, Key: "ports " + v.ID, Keep: 1}, nil)
}

// EgressHappened implements vm.Events.
func (f *Feed) EgressHappened(v vm.VM, r vm.EgressRecord, missed int64) {
	e := event.Event{Kind: event.Egress, Action: event.Allowed, Name: r.Name, VM: v.Name, VMID: v.ID, Key: "egress " + v.ID, Keep: keepOfOne, Fact: true}
	if r.Denied() {
		e.Action = event.Denied
	}
	if e.Name == "" {
		e.Name = r.Address
	}
	f.publish(e, api.EgressDecision{
		Missed: missed,
		EgressRecord: api.EgressRecord{
			Time: r.At.UTC(), Event: r.Event, Protocol: r.Protocol, Name: r.Name, Said: r.Said, Address: r.Address, Port: int(r.Port),
			Rule: r.Rule, Reason: r.Reason, Process: r.Process,
		},
	})
}
