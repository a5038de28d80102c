package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/client/vmaction"
)

// keyed is the TUI's action of the key that does an action on VMs; empty: it is in the
// menu only.
func keyed(a vmaction.Action) string {
	return map[string]string{"start": ActStart, "stop": ActStop, "pause": ActPause, "resume": ActPause, "delete": ActDelete}[a.ID]
}

// keyedFor is the action of a key on VMs. Pause and resume have one key: the first VM for which one
// is possible decides.
func (m *Model) keyedFor(action string, vms []*vmEntry) (meant vmaction.Action, ok bool) {
	for _, v := range vms {
		for _, a := range vmaction.All() {
			if keyed(a) != action {
				continue
			}
			if a.Refusal(&v.VM) == "" {
				return a, true
			}
			if !ok {
				meant, ok = a, true
			}
		}
	}
	return meant, ok
}

// refusal says why the action of a key is possible for none of VMs; empty: it is for some.
func (m *Model) refusal(action string, ids []string) string {
	vms := m.machinesOf(ids)
	a, ok := m.keyedFor(action, vms)
	if !ok {
		return ""
	}
	for _, v := range vms {
		if a.Refusal(&v.VM) == "" {
			return ""
		}
	}
	return "cannot " + strings.ToLower(strings.TrimSuffix(a.Label, "…")) + " " + line(vms[0].Name) + ": " + line(a.Refusal(&vms[0].VM))
}

func second[T any](_ T, err error) error { return err }

// perform does an action to VMs, and asks first where something is lost. VMs in another
// state are left out.
func (m *Model) perform(a vmaction.Action, vms []*vmEntry) tea.Cmd {
	var those []*vmEntry
	for _, v := range vms {
		if a.Refusal(&v.VM) == "" {
			those = append(those, v)
		}
	}
	switch {
	case len(vms) == 0:
		return nil
	case len(those) == 0:
		m.say(toneBad, "cannot "+strings.ToLower(strings.TrimSuffix(a.Label, "…"))+" "+line(vms[0].Name)+": "+line(a.Refusal(&vms[0].VM)))
		return nil
	case !a.Runs():
		m.open(newCommand(m, strings.TrimPrefix(typed(a.On(&those[0].VM)), "banger ")))
		return nil
	case a.Confirms():
		m.open(newConfirm(a, those))
		return nil
	}
	return m.run(a, those)
}

// run does an action without asking.
func (m *Model) run(a vmaction.Action, vms []*vmEntry) tea.Cmd {
	m.list().marks = nil
	commands := make([]string, len(vms))
	for i, v := range vms {
		commands[i] = typed(a.On(&v.VM))
	}
	together := newBulk(a.Did, "VM", len(vms), commands)
	var all []tea.Cmd
	for _, v := range vms {
		meant := v.VM // as it is now: what comes later was not confirmed
		all = append(all, together.do(m, v.Name, func(ctx context.Context, api API) error { return second(a.Run(ctx, api, &meant)) }))
	}
	return tea.Batch(all...)
}
