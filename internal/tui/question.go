package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// question asks before something is lost that is no VM.
type question struct {
	ask, loses, yes string
	commands        []string // what yes does, as command lines
	do              func(m *Model) tea.Cmd
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
	return append(out, commandLines(m.theme, q.commands, width)...)
}

func (q *question) hints(*Model) []string { return []string{"y " + q.yes, "n keep"} }

// maxCommands bounds the command lines that a question shows.
const maxCommands = 3

// commandLines are what will be done, as it would be typed.
func commandLines(t theme, commands []string, width int) []string {
	var out []string
	for _, command := range commands[:min(len(commands), maxCommands)] {
		out = append(out, t.paint(toneDim, cut("  $ "+line(command), width)))
	}
	if more := len(commands) - maxCommands; more > 0 {
		out = append(out, t.paint(toneDim, cut(fmt.Sprintf("  and %d more", more), width)))
	}
	return out
}
