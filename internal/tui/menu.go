package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/client/vmaction"
)

// menu has every action for VMs, with its command line, or why it cannot be done.
type menu struct {
	vms     []*vmEntry
	at      int
	actions []vmaction.Action
}

func newMenu(vms []*vmEntry) *menu {
	var can, cannot []vmaction.Action
	for _, a := range vmaction.All() {
		if a.Refusal(&vms[0].VM) == "" {
			can = append(can, a)
		} else {
			cannot = append(cannot, a)
		}
	}
	return &menu{vms: vms, actions: slices.Concat(can, cannot)}
}

func (*menu) full() bool { return false }

func (n *menu) press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	switch {
	case action == ActUp:
		n.at = max(n.at-1, 0)
	case action == ActDown:
		n.at = min(n.at+1, len(n.actions)-1)
	case action == ActOpen, key.String() == "enter":
		m.closeTop()
		return m.perform(n.actions[n.at], n.vms)
	case action == ActBack, action == ActQuit, action == ActMenu:
		m.closeTop()
	}
	return nil
}

func (n *menu) lines(m *Model, width, height int) []string {
	columns := []column{{title: "ACTION"}, {title: "COMMAND", grow: true}}
	rows := make([]row, len(n.actions))
	for i, a := range n.actions {
		second := cell{text: line(typed(a.On(&n.vms[0].VM))), tone: toneDim}
		if why := a.Refusal(&n.vms[0].VM); why != "" {
			second = cell{text: "not now: " + line(why), tone: toneDim}
		}
		rows[i] = row{id: a.ID, cells: []cell{{text: a.Label}, second}}
	}
	wide := widths(columns, rows, width-3)
	out := []string{m.theme.head(columns, wide)}
	room := min(height-1, len(rows))
	top := max(min(n.at-room/2, len(rows)-room), 0)
	for i := top; i < top+room; i++ {
		out = append(out, m.theme.line(columns, wide, rows[i], i == n.at, false, width))
	}
	return out
}

func (*menu) hints(m *Model) []string {
	return []string{m.keys.hint(ActOpen, "do it"), m.keys.hint(ActBack, "back")}
}
