package tui

import (
	tea "charm.land/bubbletea/v2"
)

// question asks before something is lost that is no VM.
type question struct {
	ask, loses, command, yes string
	do                       func(m *Model) tea.Cmd
}

func (*question) full() bool { return false }

func (q *question) press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	switch name := key.String(); {
	case name == "y":
		m.closeTop()
		return q.do(m)
	case name == "n", action == ActBack:
		m.closeTop()
	}
	return nil
}

func (q *question) lines(m *Model, width, _ int) []string {
	out := []string{m.theme.title.Render(cut(" "+q.ask, width))}
	out = append(out, indented(wrapped(q.loses, width-4))...)
	return append(out, m.theme.paint(toneDim, cut("  $ "+q.command, width)))
}

func (q *question) hints(*Model) []string { return []string{"y " + q.yes, "n keep"} }
