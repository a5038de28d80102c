package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// help shows the keys of a tab, or of what lies over it.
type help struct {
	deeds []deed
	top   int
}

func (*help) full() bool { return true }

func (h *help) press(m *Model, _ tea.KeyPressMsg, action string) tea.Cmd {
	switch action {
	case ActUp:
		h.top = max(h.top-1, 0)
	case ActDown:
		h.top++ // lines bounds it
	case ActPageUp:
		h.top = max(h.top-max(m.height-6, 1), 0)
	case ActPageDown:
		h.top += max(m.height-6, 1)
	case ActBack, ActQuit, ActHelp:
		m.closeTop()
	}
	return nil
}

// rows are the keys: what they do, and why not now.
func (h *help) rows(m *Model) []row {
	var rows []row
	add := func(keys, doc string, as tone) {
		rows = append(rows, row{cells: []cell{{text: keys}, {text: doc, tone: as}}})
	}
	for _, d := range h.deeds {
		for _, b := range m.o.Bindings {
			if b.Action != d.action || len(b.Keys) == 0 {
				continue
			}
			names := make([]string, len(b.Keys))
			for i, key := range b.Keys {
				names[i] = keyName(key)
			}
			doc, as := firstOf(d.doc, b.Doc), toneNone
			if d.why != "" {
				doc, as = doc+": not now, as "+d.why, toneDim
			}
			add(strings.Join(names, " "), doc, as)
		}
	}
	add("1–7", "go to a tab", toneNone)
	add("Esc", "go back; remove the filter and the marks", toneNone)
	add("ctrl-z", "suspend", toneNone)
	add("ctrl-c", "quit", toneNone)
	return rows
}

func (h *help) lines(m *Model, width, height int) []string {
	columns := []column{{title: "KEY"}, {title: "", grow: true}}
	rows := h.rows(m)
	wide := widths(columns, rows, width-3)
	h.top = max(min(h.top, len(rows)-height+1), 0)
	title := "Keys of the tab " + m.tabs[m.tab].name()
	if len(m.layers) > 1 {
		title = "Keys here"
	}
	out := []string{m.rule(title)}
	for _, r := range rows[h.top:min(h.top+height-1, len(rows))] {
		out = append(out, m.theme.line(columns, wide, r, false, false, width))
	}
	return out
}

func (*help) hints(m *Model) []string {
	return []string{m.keys.hint(ActBack, "back"), m.keys.hint(ActDown, "down"), m.keys.hint(ActUp, "up"), m.keys.hint(ActPageDown, "page")}
}
