package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/fault"
)

// commandOf words what a form does as a command line. What is not filled in yet stands
// there as the command line's help has it.
type commandOf func(form, given url.Values) string

// formCommands are the forms whose command changes with what is typed.
func formCommands() map[string]commandOf {
	return map[string]commandOf{
		"create": createCommand, "set": setCommand, "rename": renameCommand, "commit": commitCommand,
		"pull": pullCommand, "tag": tagCommand, "register": registerCommand, "import": importCommand,
		"prepare": prepareCommand, "forward": forwardCommand, "egress": egressCommand, "allow": allowCommand, "rule": ruleCommand,
		"send": sendCommand, "kill": killCommand,
	}
}

// formCommand is POST /command/{form}: the command of a form as it is filled in, as a
// part for the script that keeps it current, or as a page.
func (c *Console) formCommand(w http.ResponseWriter, r *http.Request) {
	command, ok := formCommands()[r.PathValue("form")]
	if !ok {
		c.fail(w, r, fault.New(fault.NotFound, "no form %q", r.PathValue("form")))
		return
	}
	values, err := c.givenOf(r.Context(), r.PathValue("form"))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	line := command(r.PostForm, values)
	if r.PostForm.Get("part") != "" && r.PathValue("form") == "create" {
		takes, err := c.takesOfForm(r.Context(), r.PostForm, values)
		c.part(w, r, "command", "create-current", map[string]any{"Command": line, "Takes": takes}, err)
		return
	}
	if r.PostForm.Get("part") != "" {
		c.part(w, r, "command", "cmd", line, nil)
		return
	}
	c.page(w, r, "command", func(_ context.Context, s *shell) error {
		s.Title, s.Body = "Command", line
		return nil
	})
}

// givenOf are the defaults of a form.
func (c *Console) givenOf(ctx context.Context, form string) (url.Values, error) {
	if form != "create" {
		return url.Values{}, nil
	}
	values, _, err := c.given(ctx)
	return values, err
}

// typedCommand collects the words of a command of banger.
type typedCommand struct {
	form url.Values
	args []string
	tail string // what is left to fill in
}

func typed(form url.Values, words ...string) *typedCommand {
	return &typedCommand{form: form, args: words}
}

// flag adds an option with the value of a field, if it has one.
func (t *typedCommand) flag(name, field string) {
	if value := strings.TrimSpace(t.form.Get(field)); value != "" {
		t.args = append(t.args, "--"+name, value)
	}
}

// replace adds that a name is taken from another image, if its box is checked.
func (t *typedCommand) replace() {
	if t.form.Get("replace") != "" {
		t.args = append(t.args, "--"+"replace")
	}
}

// arg adds the value of a field, or else the word that stands for it in help.
func (t *typedCommand) arg(field, placeholder string) {
	switch value := strings.TrimSpace(t.form.Get(field)); {
	case value != "" && t.tail == "":
		t.args = append(t.args, value)
	case value != "":
		t.tail += " " + cmdline.Word(value)
	default:
		t.tail += " " + placeholder
	}
}

// needs adds an option that the command cannot do without.
func (t *typedCommand) needs(name, field, placeholder string) {
	switch value := strings.TrimSpace(t.form.Get(field)); {
	case value != "" && t.tail == "":
		t.args = append(t.args, "--"+name, value)
	case value != "":
		t.tail += " --" + name + " " + cmdline.Word(value)
	default:
		t.tail += " --" + name + " " + placeholder
	}
}

func (t *typedCommand) String() string { return cmdline.Typed(t.args...) + t.tail }
