package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// help shows every key.
type help struct{ top int }

func (*help) full() bool { return true }

func (h *help) press(m *Model, _ tea.KeyPressMsg, action string) tea.Cmd {
	switch action {
	case ActUp:
		h.top = max(h.top-1, 0)
	case ActDown:
		h.top = min(h.top+1, len(m.o.Bindings))
	case ActBack, ActQuit, ActHelp:
		m.closeTop()
	}
	return nil
}

func (h *help) lines(m *Model, width, height int) []string {
	columns := []column{{title: "KEY"}, {title: "", grow: true}}
	rows := make([]row, 0, len(m.o.Bindings)+4)
	add := func(keys, doc string) { rows = append(rows, row{cells: []cell{{text: keys}, {text: doc}}}) }
	for _, b := range m.o.Bindings {
		names := make([]string, len(b.Keys))
		for i, key := range b.Keys {
			names[i] = keyName(key)
		}
		add(strings.Join(names, " "), b.Doc)
	}
	add("1–7", "go to a tab")
	add("Esc", "go back; remove the filter and the marks")
	add("ctrl-z", "suspend")
	add("ctrl-c", "quit")
	wide := widths(columns, rows, width-3)
	h.top = max(min(h.top, len(rows)-height+1), 0)
	out := []string{m.rule("Keys")}
	for _, r := range rows[h.top:min(h.top+height-1, len(rows))] {
		out = append(out, m.theme.line(columns, wide, r, false, false, width))
	}
	return out
}

func (*help) hints(m *Model) []string {
	return []string{m.keys.hint(ActBack, "back"), m.keys.hint(ActDown, "down"), m.keys.hint(ActUp, "up")}
}
