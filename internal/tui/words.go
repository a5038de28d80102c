package tui

import (
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// maxText bounds a text of the guest's or the daemon's on one line, in bytes.
const maxText = 512

// tone is what a cell means. The word beside it always says it too.
type tone int

const (
	toneNone tone = iota
	toneDim
	toneGood
	toneBad
	toneBusy
	toneAttention
)

// theme is how tones and shapes look.
type theme struct {
	styles          map[tone]lipgloss.Style
	title, selected lipgloss.Style
	ascii           bool
}

// newTheme uses the terminal's own 16 colours, or none: those that can be read on black and
// on white, as terminals draw them by default. Blue cannot on black, nor yellow and cyan on
// white.
func newTheme(colour, ascii bool) theme {
	style := lipgloss.NewStyle
	t := theme{
		styles:   map[tone]lipgloss.Style{toneNone: style(), toneDim: style().Faint(true), toneGood: style(), toneBad: style(), toneBusy: style(), toneAttention: style().Bold(true)},
		title:    style().Bold(true),
		selected: style().Reverse(true),
		ascii:    ascii,
	}
	if colour {
		t.styles[toneGood] = style().Foreground(lipgloss.Green)
		t.styles[toneBad] = style().Foreground(lipgloss.Red)
		t.styles[toneBusy] = style().Foreground(lipgloss.Magenta)
		t.styles[toneAttention] = style().Bold(true).Foreground(lipgloss.Magenta)
	}
	return t
}

func (t theme) paint(as tone, text string) string {
	if as == toneNone || strings.TrimSpace(text) == "" {
		return text
	}
	return t.styles[as].Render(text)
}

// shape is the sign of a state, which its word follows.
func (t theme) shape(state string) string {
	unicode, ascii := shapeOf(state)
	if t.ascii {
		return ascii
	}
	return unicode
}

func shapeOf(state string) (unicode, ascii string) {
	switch state {
	case api.VMRunning:
		return "●", "*"
	case api.VMStarting, api.VMStopping:
		return "◌", "~"
	case api.VMPaused, api.VMSuspended:
		return "‖", "="
	case api.VMStopped:
		return "■", "#"
	case api.VMFailed, api.SessionLost:
		return "⊗", "x"
	case api.OperationSucceeded, api.SessionExited, api.StageDone, "allow", "allowed":
		return "✓", "+"
	case api.OperationCanceled, "deny", "denied":
		return "⊘", "/"
	default:
		return "·", "."
	}
}

func toneOf(state string) tone {
	switch state {
	case api.VMRunning:
		return toneGood
	case api.VMStarting, api.VMStopping:
		return toneBusy
	case api.VMFailed, api.SessionLost, "deny", "denied":
		return toneBad
	default:
		return toneNone
	}
}

// state is a cell of a state: its shape and its word.
func (t theme) state(state string) cell {
	return cell{text: t.shape(state) + " " + line(state), tone: toneOf(state)}
}

// line is untrusted text on one line.
func line(text string) string { return plain.Line(text, maxText) }

// missing stands for what is not known, which is never zero.
func (t theme) missing() string {
	if t.ascii {
		return "-"
	}
	return "–"
}

func (t theme) age(now time.Time, at *time.Time) cell {
	if at == nil || at.IsZero() {
		return cell{text: t.missing(), tone: toneDim}
	}
	return cell{text: status.Age(now, *at), tone: toneDim}
}

// sentence is an error with its hint, on one line.
func sentence(err error) string {
	text := err.Error()
	if hint := fault.HintOf(err); len(hint) > 0 {
		text += ". " + worded(hint)
	}
	return line(text)
}
