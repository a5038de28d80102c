package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
)

// minWidth and minHeight are the smallest screen that shows more than a request for
// more room.
const (
	minWidth  = 40
	minHeight = 10
	maxDetail = 6 // lines below the table, or a third of a high screen's
)

// tab is one of the tables.
type tab interface {
	name() string
	columns() []column
	rows(m *Model) []row
	// detail is what is to be said of a row besides its cells.
	detail(m *Model, id string) []string
	// empty says what to do where there are no rows.
	empty(m *Model) string
	// deeds are what keys do, the most useful first.
	deeds(m *Model, of subject) []deed
	// do does one of them that is possible.
	do(m *Model, action string, of subject) tea.Cmd
}

func tabs() []tab {
	return []tab{vmsTab{}, sessionsTab{}, imagesTab(), kernelsTab(), operationsTab{}, egressTab{}, eventsTab{}}
}

// Tabs returns the tabs' names, as Options.Tab has them.
func Tabs() []string {
	var names []string
	for _, t := range tabs() {
		names = append(names, strings.ToLower(t.name()))
	}
	return names
}

// View is the screen. It sets no title of the window: no terminal tells the one before.
func (m *Model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

func (m *Model) screen() string {
	if m.width == 0 {
		return ""
	}
	if m.width < minWidth || m.height < minHeight {
		return cut(fmt.Sprintf("needs %d × %d", minWidth, minHeight), m.width)
	}
	lines := []string{m.tabLine(), m.statusLine()}
	lines = append(lines, m.body(m.height-4)...)
	says := m.theme.paint(m.saysTone, cut(m.says, m.width))
	lines = append(lines, says, m.keyLine())
	return strings.Join(lines, "\n")
}

// tabLine are the tabs, with the one that is shown in brackets. Where there is no room for
// all, the others are only numbers.
func (m *Model) tabLine() string {
	names := make([]string, len(m.tabs))
	for i, t := range m.tabs {
		names[i] = fmt.Sprintf("%d %s", i+1, t.name())
	}
	if lipgloss.Width(strings.Join(names, ""))+2*len(names) > m.width {
		for i := range names {
			if i != m.tab {
				names[i] = fmt.Sprint(i + 1)
			}
		}
	}
	var b strings.Builder
	for i, name := range names {
		if i == m.tab {
			b.WriteString(m.theme.title.Reverse(true).Render("[" + name + "]"))
		} else {
			b.WriteString(" " + name + " ")
		}
	}
	return b.String()
}

// statusLine is how things are: how many VMs run, what is under way, the connection.
func (m *Model) statusLine() string {
	if m.lost != "" {
		return m.theme.paint(toneBad, cut(" "+m.lost, m.width))
	}
	if !m.world.live && len(m.world.vms) == 0 {
		return m.theme.paint(toneDim, " connecting to bangerd")
	}
	running, busy := 0, 0
	for _, v := range m.world.vms {
		if v.State == api.VMRunning {
			running++
		}
	}
	for _, op := range m.world.ops {
		if op.EndedAt == nil {
			busy++
		}
	}
	parts := []string{fault.Count(len(m.world.vms), "VM"), fmt.Sprintf("%d running", running)}
	needs := 0
	for _, s := range m.world.sessions {
		if over(s) == 0 && status.Needs(s.Attention) {
			needs++
		}
	}
	if needs > 0 {
		word := "needs"
		if needs > 1 {
			word = "need"
		}
		parts = append(parts, fault.Count(needs, "session")+" "+word+" input")
	}
	if busy > 0 {
		parts = append(parts, fault.Count(busy, "operation")+" in progress")
	}
	if l := m.list(); l.filter != "" {
		parts = append(parts, "filter: "+line(l.filter))
	}
	if n := len(m.list().marks); n > 0 {
		parts = append(parts, fmt.Sprintf("%d marked", n))
	}
	return m.theme.paint(toneDim, cut(" "+strings.Join(parts, ", "), m.width))
}

// body is the table and what lies over it, in exactly height lines.
func (m *Model) body(height int) []string {
	top := m.top()
	var lines []string
	switch {
	case top == nil:
		lines = m.table(height, true)
	case top.full():
		lines = top.lines(m, m.width, height)
	default:
		drawer := top.lines(m, m.width, height-1)
		if room := height - 1 - len(drawer); room > 0 {
			lines = padded(m.beneath(room), room)
		}
		lines = append(append(lines, m.rule("")), drawer...)
	}
	return padded(lines, height)
}

// beneath is what a drawer lies over.
func (m *Model) beneath(height int) []string {
	if n := len(m.layers); n > 1 && m.layers[n-2].full() {
		return m.layers[n-2].lines(m, m.width, height)
	}
	return m.table(height, false)
}

// padded is lines in exactly height of them.
func padded(lines []string, height int) []string {
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:max(height, 0)]
}

// rule is a line across, with a title in it.
func (m *Model) rule(title string) string {
	dash := "─"
	if m.theme.ascii {
		dash = "-"
	}
	if title == "" {
		return m.theme.paint(toneDim, strings.Repeat(dash, m.width))
	}
	title = cut(title, max(m.width-4, 1))
	left := m.width - lipgloss.Width(title) - 4
	return m.theme.paint(toneDim, dash+dash) + " " + m.theme.title.Render(title) + " " + m.theme.paint(toneDim, strings.Repeat(dash, max(left, 0)))
}

// table is the tab's, with what is to be said of the chosen row below it.
func (m *Model) table(height int, withDetail bool) []string {
	t, l := m.tabs[m.tab], m.list()
	rows := m.rows()
	if len(rows) == 0 {
		text := t.empty(m)
		switch {
		case l.filter != "":
			text = "Nothing matches the filter. Esc removes it."
		case !m.world.live && len(m.world.vms) == 0:
			text = ""
		}
		return append([]string{""}, indented(wrapped(text, m.width-4))...)
	}
	at := l.place(rows)
	var below []string
	if withDetail && height > maxDetail+4 {
		for _, text := range t.detail(m, rows[at].id) {
			below = append(below, indented(wrapped(text, m.width-4))...)
		}
		below = below[:min(len(below), max(maxDetail, height/3))]
		if len(below) > 0 {
			below = append([]string{m.rule(firstOf(rows[at].title, rows[at].cells[0].text))}, below...)
		}
	}
	columns := t.columns()
	wide := widths(columns, rows, m.width-3)
	lines := []string{m.theme.head(columns, wide)}
	room := height - 1 - len(below)
	for _, r := range l.window(rows, room) {
		lines = append(lines, m.theme.line(columns, wide, r, r.id == l.chosen, l.marks[r.id], m.width))
	}
	if len(below) > 0 {
		lines = append(padded(lines, height-len(below)), below...)
	}
	return lines
}

func indented(lines []string) []string {
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return lines
}

// keyLine are the keys that mean something now, as many as there is room for.
func (m *Model) keyLine() string {
	var hints []string
	if top := m.top(); top != nil {
		hints = top.hints(m)
	} else {
		hints = m.hintsOf(append(m.deeds(), inEachTab()...))
	}
	help := m.keys.hint(ActHelp, "help")
	if m.top() != nil {
		help = ""
	}
	text := " "
	for _, hint := range hints {
		if hint == "" {
			continue
		}
		if lipgloss.Width(text+hint+help)+6 > m.width {
			break
		}
		text += hint + "   "
	}
	return m.theme.paint(toneDim, text+help)
}
