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
