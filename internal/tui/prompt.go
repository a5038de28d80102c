package tui

import (
	"errors"
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
	hint  string // of Enter
	set   func(text string)
}

func newFilter(m *Model) *filter {
	l := m.list()
	return &filter{input: field("/", l.filter), hint: "Enter keep", set: func(text string) { l.filter = text }}
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

func (f *filter) hints(*Model) []string {
	hints := []string{f.hint, "Esc clear"}
	if f.hint != "Enter search" {
		hints = append(hints, "! inverts")
	}
	return hints
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
