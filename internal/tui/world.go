package tui

import (
	"slices"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

const (
	// maxEvents and maxEnded bound the events and the ended operations that are kept.
	maxEvents = 500
	maxEnded  = 100
)

// vmEntry is what is known of a VM.
type vmEntry struct {
	api.VM
	usage    *client.Usage
	ports    []api.Port
	portsWhy string // why they are not known
}

// world is what the stream of events has told.
type world struct {
	live     bool
	vms      map[string]*vmEntry
	sessions map[string]api.Session // by ID
	// askedSessions are the VMs that were asked for sessions that had ended before.
	askedSessions map[string]bool
	ops           map[string]api.Operation
	images        []api.Image
	kernels       []api.Kernel
	events        []api.Event     // the newest last
	noted         func(api.Event) // is told of each that is kept; nil: nobody is
}

func newWorld() *world {
	return &world{vms: map[string]*vmEntry{}, sessions: map[string]api.Session{}, askedSessions: map[string]bool{}, ops: map[string]api.Operation{}}
}

// stale is what has to be asked for after events, which do not have it.
type stale struct {
	images, kernels bool
	vms, ports      []string // IDs
}

// apply takes events over.
func (w *world) apply(events []api.Event) stale {
	var old stale
	for _, ev := range events {
		w.note(ev)
		switch ev.Kind {
		case api.EventReset:
			w.reset()
		case api.EventLive:
			w.live, old.images, old.kernels = true, true, true
		case api.EventVM:
			w.applyVM(ev, &old)
		case api.EventSession:
			w.applySession(ev)
		case api.EventOperation:
			w.applyOperation(ev)
		case api.EventWorkspace:
			w.applyWorkspace(ev)
		case api.EventPorts:
			old.ports = append(old.ports, ev.VMID)
		case api.EventSample:
			w.applySample(ev)
		case api.EventImage:
			old.images = true
		case api.EventKernel:
			old.kernels = true
		}
	}
	return old
}

// reset forgets all that the stream tells again. The journal of this screen stays, and
// so do operations that ended: nobody tells them again.
func (w *world) reset() {
	w.live = false
	clear(w.vms)
	clear(w.sessions)
	clear(w.askedSessions)
	for id, op := range w.ops {
		if op.EndedAt == nil {
			delete(w.ops, id)
		}
	}
}

// note keeps the event for its tab.
func (w *world) note(ev api.Event) {
	switch {
	case ev.Kind == api.EventSample, ev.Kind == api.EventHost, ev.Kind == api.EventLive, ev.Kind == api.EventReset, ev.Action == api.ActionPresent:
		return
	}
	w.events = append(w.events, ev)
	if w.noted != nil {
		w.noted(ev)
	}
	if over := len(w.events) - maxEvents; over > 0 {
		w.events = slices.Delete(w.events, 0, over)
	}
}

func (w *world) applyVM(ev api.Event, old *stale) {
	if ev.Action == api.ActionDeleted {
		delete(w.vms, ev.Object)
		delete(w.askedSessions, ev.Object)
		for id, s := range w.sessions {
			if s.VM == ev.Name {
				delete(w.sessions, id)
			}
		}
		return
	}
	v, err := client.EventBody[api.VM](ev)
	if err != nil {
		old.vms = append(old.vms, ev.Object)
		return
	}
	if known := w.vms[v.ID]; v.State == api.VMRunning && (known == nil || known.State != api.VMRunning) {
		old.ports = append(old.ports, v.ID)
	}
	w.takeVM(v)
}

// takeVM takes over a VM as an event has it, without its workspace.
func (w *world) takeVM(v api.VM) {
	known := w.vms[v.ID]
	if known == nil {
		w.vms[v.ID] = &vmEntry{VM: v}
		return
	}
	if v.Workspace == nil {
		v.Workspace = known.Workspace
	}
	if v.State != api.VMRunning {
		known.ports, known.portsWhy, known.usage = nil, "", nil
	}
	if known.Name != v.Name {
		for id, s := range w.sessions {
			if s.VM == known.Name {
				s.VM = v.Name
				w.sessions[id] = s
			}
		}
	}
	known.VM = v
}

func (w *world) applySession(ev api.Event) {
	if ev.Action == api.ActionDeleted {
		delete(w.sessions, ev.Object)
		return
	}
	if s, err := client.EventBody[api.Session](ev); err == nil {
		w.sessions[s.ID] = s
	}
}

func (w *world) applyOperation(ev api.Event) {
	op, err := client.EventBody[api.Operation](ev)
	if err != nil {
		return
	}
	w.ops[op.ID] = op
	ended := slices.DeleteFunc(w.operations(), func(op api.Operation) bool { return op.EndedAt == nil })
	for _, op := range ended[min(maxEnded, len(ended)):] {
		delete(w.ops, op.ID)
	}
}

func (w *world) applyWorkspace(ev api.Event) {
	v := w.vms[ev.VMID]
	if v == nil {
		return
	}
	v.Workspace = nil
	if ws, err := client.EventBody[api.Workspace](ev); err == nil && ev.Action != api.ActionDeleted {
		v.Workspace = &ws
	}
}

func (w *world) applySample(ev api.Event) {
	stats, err := client.EventBody[api.Stats](ev)
	v := w.vms[stats.ID]
	if err != nil || v == nil {
		return
	}
	var before api.Stats
	if v.usage != nil {
		before = v.usage.Stats
	}
	usage := client.UsageSince(before, stats)
	v.usage = &usage
}
