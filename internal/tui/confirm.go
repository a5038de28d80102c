package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/client/vmaction"
)

// confirm asks before something is lost. Where unexported work is, the name must be
// typed; else "y" is enough.
type confirm struct {
	action vmaction.Action
	vms    []*vmEntry
	word   string // to type; empty: y
	typed  string
}

func newConfirm(a vmaction.Action, vms []*vmEntry) *confirm {
	c := &confirm{action: a}
	for _, v := range vms {
		meant := *v
		c.vms = append(c.vms, &meant)
		if a.DiscardsWork(&v.VM) {
			c.word = v.Name
		}
	}
	if c.word != "" && len(vms) > 1 {
		c.word = strings.ToLower(a.Label)
	}
	return c
}

func (*confirm) full() bool { return false }

func (c *confirm) press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	switch name := key.String(); {
	case action == ActBack, c.word == "" && name == "n":
		m.closeTop()
	case c.word == "" && name == "y", c.word != "" && name == "enter" && c.typed == c.word:
		m.closeTop()
		return m.run(c.action, c.vms)
	case c.word != "" && name == "backspace" && c.typed != "":
		c.typed = c.typed[:len(c.typed)-1]
	case c.word != "" && len(key.Text) == 1 && len(c.typed) < maxName:
		c.typed += key.Text
	}
	return nil
}

// maxName bounds a name that is typed, in bytes.
const maxName = 64

func (c *confirm) lines(m *Model, width, height int) []string {
	var out []string
	names := make([]string, len(c.vms))
	for i, v := range c.vms {
		names[i] = line(v.Name)
	}
	title := c.action.Label + " " + strings.Join(names, ", ") + "?"
	out = append(out, m.theme.title.Render(cut(" "+title, width)))
	for _, v := range c.vms {
		loses := c.action.Losses(&v.VM, m.world.sessionsOf(v.Name))
		if len(loses) == 0 {
			continue
		}
		text := "This loses " + strings.Join(loses, "; ") + "."
		if len(c.vms) > 1 {
			text = line(v.Name) + ": " + text
		}
		out = append(out, indented(wrapped(text, width-4))...)
	}
	var commands []string
	for _, v := range c.vms {
		commands = append(commands, typed(c.action.On(&v.VM)))
	}
	typing := min(len(c.word), 1)
	if shown := commandLines(m.theme, commands, width); len(out)+len(shown)+typing <= height { // what is lost comes first
		out = append(out, shown...)
	}
	if c.word != "" {
		out = append(out, cut(fmt.Sprintf("  Type %s and press Enter: %s_", line(c.word), line(c.typed)), width))
	}
	if over := len(out) - height; over > 0 { // what is typed stays in sight
		out = append(out[:1], out[1+over:]...)
	}
	return out
}

func (c *confirm) hints(*Model) []string {
	if c.word != "" {
		return []string{"Enter " + strings.ToLower(c.action.Label), "Esc keep"}
	}
	return []string{"y " + strings.ToLower(c.action.Label), "n keep"}
}
