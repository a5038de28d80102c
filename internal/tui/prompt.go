package tui

import (
	"errors"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// maxTyped bounds a line that is typed, in characters.
const maxTyped = 1000

// field is a line to type in. Its cursor does not blink: a blink is a redraw.
func field(prompt, value string) textinput.Model {
	f := textinput.New()
	f.Prompt, f.CharLimit = prompt, maxTyped
	styles := textinput.DefaultStyles(true)
	styles.Cursor.Blink = false
	styles.Cursor.Color = lipgloss.NoColor{} // inverse alone: the default white is not seen on white
	styles.Focused, styles.Blurred = textinput.StyleState{Suggestion: lipgloss.NewStyle().Faint(true)}, textinput.StyleState{}
	f.KeyMap.Paste.SetEnabled(false) // it would run programs; the terminal pastes by itself
	f.SetStyles(styles)
	f.SetValue(value)
	f.Focus()
	return f
}

// filter is the line that narrows the table while it is typed.
type filter struct {
	input textinput.Model
	set   func(text string)
}

func newFilter(m *Model) *filter {
	l := m.list()
	return &filter{input: field("/", l.filter), set: func(text string) { l.filter = text }}
}

func (*filter) full() bool { return false }

func (f *filter) press(m *Model, key tea.KeyPressMsg, _ string) tea.Cmd {
	switch key.String() {
	case "esc":
		f.set("")
		m.closeTop()
		return nil
	case "enter":
		m.closeTop()
		return nil
	}
	return f.receive(m, key)
}

func (f *filter) receive(_ *Model, msg tea.Msg) tea.Cmd {
	f.input, _ = f.input.Update(msg) // its commands only blink the cursor
	f.set(f.input.Value())
	return nil
}

func (f *filter) lines(_ *Model, width, _ int) []string {
	f.input.SetWidth(max(width-4, 1))
	return []string{" " + f.input.View()}
}

func (*filter) hints(*Model) []string { return []string{"Enter keep", "Esc clear", "! inverts"} }

// command is the command line: the name of a tab, or a command of banger.
type command struct{ input textinput.Model }

func newCommand(_ *Model, value string) *command { return &command{input: field(":", value)} }

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

func (c *command) receive(_ *Model, msg tea.Msg) tea.Cmd {
	c.input, _ = c.input.Update(msg)
	return nil
}

func (c *command) lines(_ *Model, width, _ int) []string {
	c.input.SetWidth(max(width-4, 1))
	return []string{" " + c.input.View()}
}

func (*command) hints(*Model) []string {
	return []string{"Enter run", "Esc cancel", "a tab's name, or a command of banger"}
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
	case len(words) == 1 && (words[0] == "q" || words[0] == "quit"):
		return tea.Quit
	case len(words) == 1:
		if at := slices.IndexFunc(m.tabs, func(t tab) bool { return strings.EqualFold(t.name(), words[0]) }); at >= 0 {
			m.show(at)
			return nil
		}
	}
	command := "banger " + strings.TrimSpace(text)
	if p, ok := pullOf(words); ok {
		return m.pull(p, command)
	}
	return m.handOver(m.o.Terminal.Command(words), command)
}

// split takes a line apart as a shell does, without any of what a shell expands.
func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case r == '\\' && quote != '\'' && i+1 < len(runes):
			i++
			word.WriteRune(runes[i])
			begun = true
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
