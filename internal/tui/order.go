package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// machines are the VMs, each with the attention of its sessions: those that need
// somebody first.
func (w *world) machines() []*vmEntry {
	sessions := make(map[string][]api.Session, len(w.vms))
	for _, s := range w.sessions {
		sessions[s.VM] = append(sessions[s.VM], s)
	}
	all := make([]*vmEntry, 0, len(w.vms))
	for _, v := range w.vms {
		shown := *v
		shown.Attention = status.VMAttention(&v.VM, sessions[v.Name])
		all = append(all, &shown)
	}
	slices.SortFunc(all, func(a, b *vmEntry) int { return status.CompareVMs(&a.VM, &b.VM) })
	return all
}

// sessionsOf are a VM's, the running ones first, then the newest.
func (w *world) sessionsOf(vm string) []api.Session {
	var all []api.Session
	for _, s := range w.sessions {
		if vm == "" || s.VM == vm {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b api.Session) int {
		return cmp.Or(cmp.Compare(over(a), over(b)), status.CompareAttention(a.Attention, b.Attention), strings.Compare(a.VM, b.VM), b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return all
}

// main is the running session of a VM that the user means first: one that needs somebody, the
// longest waiting of them, or else the oldest that has a terminal.
func (w *world) main(vm string) (found api.Session, ok bool) {
	for _, s := range w.sessionsOf(vm) {
		switch {
		case s.State != api.SessionRunning:
		case status.Needs(s.Attention):
			return s, true
		case !ok, s.Mode == api.SessionTTY && (found.Mode != api.SessionTTY || s.CreatedAt.Before(found.CreatedAt)):
			found, ok = s, true
		}
	}
	return found, ok
}

// named is the VM of a name; nil: there is none.
func (w *world) named(name string) *vmEntry {
	for _, v := range w.vms {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// idOf is the ID of the VM of a name, which another VM may get; the name, if it is not known.
func (w *world) idOf(name string) string {
	if v := w.named(name); v != nil {
		return v.ID
	}
	return name
}

func over(s api.Session) int {
	if s.State == api.SessionRunning || s.State == api.SessionStarting {
		return 0
	}
	return 1
}

// operations are those in progress first, then the newest.
func (w *world) operations() []api.Operation {
	all := make([]api.Operation, 0, len(w.ops))
	for _, op := range w.ops {
		all = append(all, op)
	}
	slices.SortFunc(all, func(a, b api.Operation) int {
		running := func(op api.Operation) int {
			if op.EndedAt == nil {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(running(a), running(b)), b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return all
}
