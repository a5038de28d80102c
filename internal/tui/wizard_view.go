package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

const (
	labelWidth = 11
	valueWidth = 22
)

// blame puts what the daemon refused beside the field that it is of, if that can be told from
// its words.
func (w *wizard) blame(err error) {
	text := sentence(err)
	for at, words := range map[int][]string{
		wizardName: {"VM name ", "VM "}, wizardImage: {"image ", "no image ", "no kernel "}, wizardCPU: {"vcpu "}, wizardMemory: {"memory "}, wizardDisk: {"disk "},
		wizardEgress: {"egress ", "policy "}, wizardTree: {"workspace ", "path ", w.fields[wizardTree].text() + " "},
	} {
		for _, word := range words {
			if word != " " && strings.HasPrefix(text, word) {
				w.fields[at].problem, w.at = text, at
				return
			}
		}
	}
	w.wrong = text
}

func (w *wizard) lines(m *Model, width, height int) []string {
	out := []string{m.rule("New VM")}
	below := w.below(m, width)
	below = below[:min(len(below), max(height-len(out)-1, 0))]
	room := min(max(height-len(out)-len(below), 1), len(w.fields))
	top := max(min(w.at-room/2, len(w.fields)-room), 0)
	for i := top; i < top+room; i++ {
		out = append(out, w.row(m, i, width))
	}
	return append(out, below...)
}

// row is a field: its name, its value, and beside it what is wrong or what it takes.
func (w *wizard) row(m *Model, at, width int) string {
	f := w.fields[at]
	room := max(width-2-labelWidth, 1)
	beside := room - valueWidth - 2
	if beside >= minBeside {
		room = valueWidth
	}
	sign, value := "  ", fit(line(f.input.Value()), room, false)
	switch {
	case at != w.at:
	case f.untouched && f.given != "":
		sign, value = "> ", m.theme.selected.Render(cut(line(f.given), room))+strings.Repeat(" ", max(room-lipgloss.Width(line(f.given)), 0))
	default:
		f.input.SetWidth(max(room-1, 1))
		sign, value = "> ", f.input.View()
	}
	row := sign + fit(f.label, labelWidth, false) + value
	if beside < minBeside {
		return row
	}
	note, as := w.note(m, f, at)
	return row + "  " + m.theme.paint(as, cut(note, beside))
}

// minBeside is the least room, in cells, for a note beside a field; with less it is below.
const minBeside = 30

// note is what is wrong with a field, or what it takes.
func (w *wizard) note(m *Model, f *wizardField, at int) (string, tone) {
	switch {
	case f.problem != "":
		return m.theme.shape("failed") + " " + f.problem, toneBad
	case at == wizardEgress && w.offline():
		return "not without a network", toneDim
	case f.text() == "" && f.given != "":
		return "empty: " + line(f.given), toneDim
	}
	return f.takes, toneDim
}

// below is what is said of the chosen field where it does not fit beside it, and the command.
func (w *wizard) below(m *Model, width int) []string {
	var out []string
	f := w.fields[w.at]
	note, as := w.note(m, f, w.at)
	if width-2-labelWidth-valueWidth-2 < max(minBeside, lipgloss.Width(note)) {
		for _, text := range indented(wrapped(note, width-4)) {
			out = append(out, m.theme.paint(as, text))
		}
	}
	if w.wrong != "" {
		for _, text := range indented(wrapped(w.wrong, width-4)) {
			out = append(out, m.theme.paint(toneBad, text))
		}
	}
	if w.busy {
		out = append(out, m.theme.paint(toneBusy, "  checking…"))
	}
	if width >= minWidth+20 {
		if len(out) > 0 {
			out = append([]string{""}, out...)
		}
		out = append(out, "")
	}
	for _, text := range indented(wrapped("$ "+line(w.command(m, "")), width-4)) {
		out = append(out, m.theme.paint(toneDim, text))
	}
	return out
}

func (w *wizard) hints(*Model) []string {
	hints := []string{"ctrl-s create", "Tab next", "shift-Tab back", "Esc cancel"}
	if len(w.fields[w.at].choices) > 0 {
		hints = append(hints, "→ completes")
	}
	return hints
}
