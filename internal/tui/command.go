package tui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/nearest"
)

// command is the command line: the name of a tab, an action of it, or a command of banger.
type command struct{ input textinput.Model }

func newCommand(m *Model, value string) *command {
	c := &command{input: field(":", value)}
	c.input.ShowSuggestions = true
	c.input.KeyMap.AcceptSuggestion.SetKeys("tab", "right")
	c.propose(m)
	return c
}

func (*command) full() bool { return false }

func (c *command) press(m *Model, key tea.KeyPressMsg, _ string) tea.Cmd {
	switch key.String() {
	case "esc":
		m.closeTop()
		return nil
	case "enter":
		m.closeTop()
		return runLine(m, c.input.Value())
	}
	return c.receive(m, key)
}

func (c *command) receive(m *Model, msg tea.Msg) tea.Cmd {
	c.input, _ = c.input.Update(msg)
	c.propose(m)
	return nil
}

// propose proposes how the line may go on: commands, and names of what they are for.
func (c *command) propose(m *Model) {
	all := slices.Concat(Tabs(), m.tabActions(), m.o.Commands)
	typed := c.input.Value()
	if at := strings.LastIndexByte(typed, ' '); at > 0 && m.known(strings.Fields(typed[:at])) {
		for _, name := range m.names(typed) {
			all = append(all, typed[:at+1]+name)
		}
	}
	c.input.SetSuggestions(all)
}

// names are those of what a command is for, by its first word.
func (m *Model) names(typed string) []string {
	var names []string
	switch first, _, _ := strings.Cut(typed, " "); first {
	case "image":
		for _, i := range m.world.images {
			names = append(names, imageName(i))
		}
	case "kernel":
		for _, k := range m.world.kernels {
			names = append(names, k.Name)
		}
	default:
		for _, v := range m.world.machines() {
			names = append(names, v.Name)
		}
	}
	return names
}

// tabActions are the actions of the tab that a word can name.
func (m *Model) tabActions() []string {
	var all []string
	for _, d := range m.deeds() {
		all = append(all, d.action)
	}
	return append(all, ActNew, ActHelp, ActQuit)
}

// known reports whether words begin with a command of banger.
func (m *Model) known(words []string) bool {
	for n := range words {
		if slices.Contains(m.o.Commands, strings.Join(words[:n+1], " ")) {
			return true
		}
	}
	return false
}

func (c *command) lines(_ *Model, width, _ int) []string {
	c.input.SetWidth(max(width-4, 1))
	return []string{" " + c.input.View()}
}

func (*command) hints(*Model) []string {
	return []string{"Enter run", "Tab complete", "Esc cancel", "a tab, an action, or a command of banger"}
}

// runLine does what was typed behind ":".
func runLine(m *Model, text string) tea.Cmd {
	words, err := split(text)
	if err != nil {
		m.say(toneBad, err.Error())
		return nil
	}
	if len(words) > 0 && words[0] == "banger" {
		words = words[1:]
	}
	switch {
	case len(words) == 0:
		return nil
	case len(words) == 1 && words[0] == "q":
		return tea.Quit
	case len(words) == 1:
		if at := slices.Index(Tabs(), strings.ToLower(words[0])); at >= 0 {
			m.show(at)
			return nil
		}
		if slices.Contains(m.tabActions(), words[0]) {
			return m.act(words[0])
		}
	}
	if !m.known(words) {
		m.say(toneBad, m.unknown(words))
		return nil
	}
	command := "banger " + strings.TrimSpace(text)
	if p, ok := pullOf(words); ok {
		return m.pull(p, command)
	}
	return m.handOver(m.o.Terminal.Command(words), command)
}

// unknown says that there is no such command, and which was meant.
func (m *Model) unknown(words []string) string {
	text := "no tab, action or command " + strings.Join(words[:min(len(words), 2)], " ")
	for n := min(len(words), 2); n > 0; n-- {
		if near := nearest.Name(strings.Join(words[:n], " "), slices.Concat(Tabs(), m.tabActions(), m.o.Commands)); near != "" {
			return line(text + "; did you mean " + near + "?")
		}
	}
	return line(text)
}
