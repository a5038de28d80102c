package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// machines are the VMs: those that need somebody first, then by name.
func (w *world) machines() []*vmEntry {
	all := make([]*vmEntry, 0, len(w.vms))
	for _, v := range w.vms {
		all = append(all, v)
	}
	needs := make(map[string]int, len(all))
	for _, v := range all {
		needs[v.ID] = 1
		if pressing(w.attention(v.Name)) == 0 {
			needs[v.ID] = 0
		}
	}
	slices.SortFunc(all, func(a, b *vmEntry) int {
		return cmp.Or(cmp.Compare(needs[a.ID], needs[b.ID]), cmp.Compare(urgency(a.State), urgency(b.State)), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return all
}

// urgency orders the states of VMs.
func urgency(state string) int {
	order := []string{api.VMFailed, api.VMStarting, api.VMRunning, api.VMPaused, api.VMStopping, api.VMStopped}
	if at := slices.Index(order, state); at >= 0 {
		return at
	}
	return len(order)
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
		return cmp.Or(cmp.Compare(over(a), over(b)), cmp.Compare(pressing(a.Attention), pressing(b.Attention)), strings.Compare(a.VM, b.VM), b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
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
