package tui

import (
	tea "charm.land/bubbletea/v2"
)

// menu has every verb for VMs, with its command line, or why it cannot be done.
type menu struct {
	vms   []*vmEntry
	at    int
	verbs []verb
}

func newMenu(_ *Model, vms []*vmEntry) *menu {
	all := verbs()
	can, cannot := make([]verb, 0, len(all)), []verb(nil)
	for _, b := range all {
		switch {
		case b.can(vms[0]):
			can = append(can, b)
		default:
			cannot = append(cannot, b)
		}
	}
	return &menu{vms: vms, verbs: append(can, cannot...)}
}

func (*menu) full() bool { return false }

func (n *menu) press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	switch {
	case action == ActUp:
		n.at = max(n.at-1, 0)
	case action == ActDown:
		n.at = min(n.at+1, len(n.verbs)-1)
	case action == ActOpen, key.String() == "enter":
		m.closeTop()
		return m.perform(n.verbs[n.at], n.vms)
	case action == ActBack, action == ActQuit, action == ActMenu:
		m.closeTop()
	}
	return nil
}

func (n *menu) lines(m *Model, width, height int) []string {
	columns := []column{{title: "ACTION"}, {title: "COMMAND", grow: true}}
	rows := make([]row, len(n.verbs))
	for i, b := range n.verbs {
		second := cell{text: line(b.command(n.vms[0])), tone: toneDim}
		if !b.can(n.vms[0]) {
			second = cell{text: "not now: " + b.why, tone: toneDim}
		}
		rows[i] = row{id: b.word, cells: []cell{{text: b.word}, second}}
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
