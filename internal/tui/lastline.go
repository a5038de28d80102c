package tui

import tea "charm.land/bubbletea/v2"

// lastLine is the command line of what was done last, where one line of the screen is too
// short for it. Any key closes it.
type lastLine struct{}

func (lastLine) full() bool { return false }

func (lastLine) press(m *Model, _ tea.KeyPressMsg, _ string) tea.Cmd {
	m.closeTop()
	return nil
}

func (lastLine) lines(m *Model, width, height int) []string {
	lines := wrapped(line(m.last), width)
	return lines[:min(len(lines), height)]
}

func (lastLine) hints(m *Model) []string { return []string{m.keys.hint(ActBack, "back")} }
