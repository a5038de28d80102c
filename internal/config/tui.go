package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// tuiTable is the table of the terminal UI's settings, and tuiKeys the one in it of its
// keys.
const (
	tuiTable = "tui"
	tuiKeys  = "keys"
)

// TUI is the [tui] table.
type TUI struct {
	// Keys are the keys of actions, by the action: "ctrl-d", or several separated by
	// commas. An action that is not in it has its default.
	Keys map[string]string `json:"keys,omitempty" toml:"keys"`
}

// TUIAction is something that keys of the terminal UI do.
type TUIAction struct {
	Name string
	Keys string // by default
	Doc  string
}

// TUIActions are all of them, in the order of the help.
func TUIActions() []TUIAction {
	return []TUIAction{
		{"up", "k,up", "go up"},
		{"down", "j,down", "go down"},
		{"top", "g,home", "go to the first row"},
		{"bottom", "G,end", "go to the last row, and follow a log"},
		{"page_up", "ctrl-b,pgup", "go up a page"},
		{"page_down", "ctrl-f,pgdown", "go down a page"},
		{"next_tab", "],tab", "go to the next tab"},
		{"previous_tab", "[,shift-tab", "go to the previous tab"},
		{"open", "enter,a", "attach to a session; open"},
		{"shell", "s", "open a shell in the VM"},
		{"logs", "l", "show the console log"},
		{"diff", "d", "show the changes in the workspace"},
		{"egress", "e", "show the egress log"},
		{"allow", "A", "allow what the chosen line of the egress log was denied"},
		{"new", "n", "create a VM"},
		{"menu", "x", "show all actions, with their command lines"},
		{"start", "u", "start"},
		{"stop", "o", "stop"},
		{"pause", "p", "pause or resume"},
		{"delete", "ctrl-d", "delete"},
		{"cancel", "c", "cancel an operation"},
		{"mark", "space", "mark a row, to act on several"},
		{"filter", "/", "filter; ! at the beginning inverts. In logs and diffs: search"},
		{"narrow", "&", "in logs and diffs: show only the lines that match"},
		{"previous_match", "N", "in logs and diffs: previous match; n is the next"},
		{"command", ":", "type a tab's name, or a command of banger"},
		{"command_line", "y", "show the command line of what was done last"},
		{"help", "?", "show the keys"},
		{"quit", "q", "quit"},
	}
}

// Bound are the keys of each action, configured or by default.
func (t TUI) Bound(a TUIAction) []string {
	keys, ok := t.Keys[a.Name]
	if !ok {
		keys = a.Keys
	}
	if keys == "" {
		return nil
	}
	return strings.Split(keys, ",")
}

// tuiKey is a key that an action can have: a character that is no digit, or a named one.
var tuiKey = regexp.MustCompile(`^((ctrl-|alt-)?[^\s\pC0-9,]|(ctrl-|alt-|shift-)?(enter|tab|space|up|down|left|right|home|end|pgup|pgdown|insert|delete|f[1-9]|f1[0-2]))$`)

func (t TUI) validate() error {
	actions := TUIActions()
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.Name
	}
	for _, name := range slices.Sorted(maps.Keys(t.Keys)) {
		if !slices.Contains(names, name) {
			return unknown("action of tui.keys", name, names)
		}
	}
	taken := map[string]string{"ctrl-c": "quit, always", "ctrl-z": "suspend, always"}
	for _, a := range actions {
		for _, key := range t.Bound(a) {
			if !tuiKey.MatchString(key) {
				return fault.New(fault.Invalid, "tui.keys.%s: %q is not a key", a.Name, key).
					WithHint("for example x, ctrl-d, enter, f5, or several as in j,down; digits go to tabs")
			}
			if other, ok := taken[key]; ok {
				return fault.New(fault.Invalid, "tui.keys.%s: the key %s already does %s", a.Name, key, other).WithHint("give %s another key, or none with \"\"", other)
			}
			taken[key] = a.Name
		}
	}
	return nil
}
