package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// maxLines bounds the lines that a pager keeps; the oldest go.
const maxLines = 10000

// pager shows lines that a source brings, and goes with their end while it stands there.
type pager struct {
	title   string
	src     source
	all     []string
	dropped int
	top     int
	follow  bool
	filter  string
	page    page // what of all is shown
	tones   func(line string) tone
	ended   bool
	closed  bool
	why     string
	allow   func(m *Model, line string) // what the key for it does to the line on top; nil: nothing
	at      int                         // the chosen row, where allow is there
	width   int                         // of the screen, when it was last drawn
}

// source brings lines. Each call of next waits for some.
type source interface {
	next() (lines []string, err error)
	close()
}

// linesMsg are lines of a pager's source; an error is its end.
type linesMsg struct {
	of    *pager
	lines []string
	err   error
}

// sourceMsg is a pager's source, opened.
type sourceMsg struct {
	of  *pager
	src source
	err error
}

func (p *pager) receive(_ *Model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case sourceMsg:
		switch {
		case msg.err != nil:
			p.end(msg.err)
			return nil
		case p.closed:
			return closing(msg.src)
		}
		p.src = msg.src
		return p.read()
	case linesMsg:
		if p.closed {
			return nil
		}
		p.add(msg.lines)
		if msg.err != nil {
			p.end(msg.err)
			return nil
		}
		return p.read()
	}
	return nil
}

func closing(src source) tea.Cmd {
	return func() tea.Msg {
		src.close()
		return nil
	}
}

func (p *pager) read() tea.Cmd {
	src := p.src
	return func() tea.Msg {
		lines, err := src.next()
		return linesMsg{of: p, lines: lines, err: err}
	}
}

func (p *pager) add(lines []string) {
	p.all = append(p.all, lines...)
	if over := len(p.all) - maxLines; over > 0 {
		p.all = append([]string(nil), p.all[over:]...)
		p.dropped += over
		if gone := p.page.drop(p.dropped); !p.follow {
			p.top, p.at = max(p.top-gone, 0), max(p.at-gone, 0)
		}
	}
}

func (p *pager) end(err error) {
	p.ended = true
	if !isEnd(err) {
		p.why = sentence(err)
	}
}

func (*pager) full() bool { return true }

// shown are the rows of the lines that the filter lets through, as the screen has them.
func (p *pager) shown() []pageRow {
	return p.page.rows(p.all, p.dropped, p.filter, p.width-p.margin())
}

// margin is the room for the sign of the chosen row.
func (p *pager) margin() int {
	if p.allow != nil {
		return 1
	}
	return 0
}

func (p *pager) press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	page := max(m.height-6, 1)
	switch action {
	case ActUp:
		p.move(-1)
	case ActDown:
		p.move(1)
	case ActPageUp:
		p.move(-page)
	case ActPageDown, ActMark:
		p.move(page)
	case ActTop:
		p.move(-len(p.shown()))
	case ActBottom:
		p.move(len(p.shown()))
		p.follow = true
	case ActFilter:
		m.open(&filter{input: field("/", p.filter), set: func(text string) { p.filter = text }})
	case ActAllow:
		if lines := p.shown(); p.allow != nil && p.at < len(lines) {
			p.allow(m, lines[p.at].line)
		}
	case ActHelp:
		m.open(&help{})
	case ActBack, ActQuit:
		if p.filter != "" && action == ActBack {
			p.filter = ""
			return nil
		}
		return p.leave(m)
	}
	return nil
}

func (p *pager) leave(m *Model) tea.Cmd {
	m.closeTop()
	p.closed = true
	if p.src == nil {
		return nil
	}
	return closing(p.src)
}

func (p *pager) move(by int) {
	p.follow = false
	p.top += by
	p.at = max(min(p.at+by, len(p.shown())-1), 0)
}

func (p *pager) lines(m *Model, width, height int) []string {
	p.width = width
	shown := p.shown()
	room := height - 1
	p.place(len(shown), room)
	out := []string{m.rule(p.heading())}
	for i := p.top; i < min(p.top+room, len(shown)); i++ {
		sign, row := strings.Repeat(" ", p.margin()), shown[i]
		if p.allow != nil && i == p.at {
			out = append(out, m.theme.selected.Render(fit(">"+row.text, width, false)))
			continue
		}
		out = append(out, p.paint(m, fit(sign+row.text, width, false), row.line))
	}
	if len(shown) == 0 {
		out = append(out, m.theme.paint(toneDim, "  "+p.nothing()))
	}
	if p.why != "" && len(out) < height {
		out = append(out, m.theme.paint(toneBad, cut("  "+p.why, width)))
	}
	return out
}

// place keeps the top, and the chosen row, where there are rows and in sight.
func (p *pager) place(rows, room int) {
	last := max(rows-room, 0)
	if p.follow || p.top > last {
		p.top = last
	}
	p.top = max(p.top, 0)
	if p.follow {
		p.at = max(rows-1, 0)
	}
	p.at = max(min(p.at, rows-1), 0)
	if p.allow != nil {
		p.top = max(min(p.top, p.at), p.at-room+1)
	}
}

func (p *pager) heading() string {
	title := p.title
	if p.filter != "" {
		title += fmt.Sprintf(", %d of %d lines match %s", p.page.matches, len(p.all), line(p.filter))
	}
	if p.dropped > 0 {
		title += fmt.Sprintf(" (without the first %d lines)", p.dropped)
	}
	return title
}

// nothing says why there are no lines.
func (p *pager) nothing() string {
	switch {
	case p.filter != "":
		return "Nothing matches the filter. Esc removes it."
	case p.ended:
		return "There is nothing."
	default:
		return "Waiting…"
	}
}

func (p *pager) paint(m *Model, text, of string) string {
	if p.tones == nil {
		return text
	}
	return m.theme.paint(p.tones(of), text)
}

func (p *pager) hints(m *Model) []string {
	k := m.keys
	hints := []string{k.hint(ActBack, "back"), k.hint(ActFilter, "filter"), k.hint(ActTop, "top"), k.hint(ActBottom, "end"), k.hint(ActPageDown, "page")}
	if p.allow != nil {
		hints = append([]string{k.hint(ActAllow, "edit and allow")}, hints...)
	}
	return hints
}
