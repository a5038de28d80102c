package tui

import (
	tea "charm.land/bubbletea/v2"
)

// deed is what a key does in a tab, or in what lies over it.
type deed struct {
	action string
	word   string // in the bottom line; empty: it is only in the help
	doc    string // in the help; empty: as configured
	why    string // it is not possible now, as a sentence; empty: it is
}

// subject is what a deed is for: the chosen row, or all that are marked.
type subject struct {
	chosen string
	ids    []string
}

func (m *Model) subject() subject {
	rows := m.rows()
	t := subject{ids: m.list().meant(rows)}
	if at := m.list().place(rows); at >= 0 {
		t.chosen = rows[at].id
	}
	return t
}

// hintsOf are the keys of what is possible, for the bottom line.
func (m *Model) hintsOf(deeds []deed) []string {
	var hints []string
	for _, d := range deeds {
		if d.word != "" && d.why == "" {
			hints = append(hints, m.keys.hint(d.action, d.word))
		}
	}
	return hints
}

// deeds are what keys do in the tab now.
func (m *Model) deeds() []deed { return m.tabs[m.tab].deeds(m, m.subject()) }

// inEachTab are what keys do in each tab.
func inEachTab() []deed {
	all := []deed{{action: ActFilter, word: "filter"}, {action: ActCommand, word: "command"}, {action: ActQuit, word: "quit"}}
	for _, action := range []string{ActNew, ActLine, ActMark, ActUp, ActDown, ActTop, ActBottom, ActPageUp, ActPageDown, ActNextTab, ActPreviousTab, ActHelp} {
		all = append(all, deed{action: action})
	}
	return all
}

// attempt does what an action means in the tab, or says why not.
func (m *Model) attempt(action string) tea.Cmd {
	for _, d := range m.deeds() {
		switch {
		case d.action != action:
			continue
		case d.why != "":
			m.say(toneBad, d.why)
			return nil
		}
		return m.tabs[m.tab].do(m, action, m.subject())
	}
	m.say(toneDim, firstOf(m.keys.key(action), action)+" does nothing in the tab "+m.tabs[m.tab].name())
	return nil
}
