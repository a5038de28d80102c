package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

const (
	// maxLines and maxText bound what a pager keeps, in lines and bytes: of a log the end, of a diff
	// the beginning.
	maxLines = 10000
	maxBytes = 8 << 20
)

// pager shows lines that a source brings, and goes with their end while it stands there.
type pager struct {
	title   string
	src     source
	all     []pageLine
	bytes   int  // of all
	head    bool // it keeps the first lines, and reads no more than those
	dropped int
	top     int
	follow  bool
	filter  string
	search  string
	found   int  // the row of the match that was gone to
	page    page // what of all is shown
	tones   func(line string) tone
	ended   bool
	closed  bool
	why     string
	allow   func(m *Model, line string) // what the key for it does to the chosen line; nil: nothing
	at      int                         // the chosen row, where allow is there
	width   int                         // of the screen, when it was last drawn
}

// textLine is a line as a source brings it, or a piece of a long one.
type textLine struct {
	text string
	more bool // it goes on with the line before
}

// source brings lines. Each call of next waits for some.
type source interface {
	next() (lines []textLine, err error)
	close()
}

// linesMsg are lines of a pager's source; an error is its end.
type linesMsg struct {
	of    *pager
	lines []textLine
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
		switch {
		case msg.err != nil:
			p.end(msg.err)
			return nil
		case p.head && p.overfull():
			p.ended, p.closed = true, true
			p.why = "there is more, which is not shown"
			return closing(p.src)
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

func (p *pager) add(lines []textLine) {
	for _, l := range lines {
		one := pageLine{text: l.text}
		switch {
		case p.tones == nil:
		case l.more && len(p.all) > 0:
			one.tone = p.all[len(p.all)-1].tone
		default:
			one.tone = p.tones(l.text)
		}
		if p.head && p.overfull() {
			return
		}
		p.all, p.bytes = append(p.all, one), p.bytes+len(one.text)
	}
	if !p.head {
		p.drop()
	}
}

// overfull reports whether the pager keeps as much as it may.
func (p *pager) overfull() bool { return len(p.all) >= maxLines || p.bytes >= maxBytes }

// drop forgets the oldest lines of a log.
func (p *pager) drop() {
	over := max(len(p.all)-maxLines, 0)
	for _, l := range p.all[:over] {
		p.bytes -= len(l.text)
	}
	for over < len(p.all)-1 && p.bytes > maxBytes {
		p.bytes -= len(p.all[over].text)
		over++
	}
	if over == 0 {
		return
	}
	p.all = slices.Clone(p.all[over:])
	p.dropped += over
	if gone := p.page.drop(p.dropped); !p.follow {
		p.top, p.at = max(p.top-gone, 0), max(p.at-gone, 0)
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
	p.width = m.width
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
		p.follow = !p.head
	case ActBack:
		return p.back(m)
	case ActQuit:
		return p.leave(m)
	default:
		return p.look(m, key, action)
	}
	return nil
}

// look does what helps to find something.
func (p *pager) look(m *Model, key tea.KeyPressMsg, action string) tea.Cmd {
	switch {
	case action == ActFilter:
		p.seek(m)
	case action == ActNarrow:
		m.open(&filter{input: field("&", p.filter), hint: "Enter keep", set: func(text string) { p.filter = text }})
	case key.String() == "n" || action == ActNew: // as everywhere; the key for a new VM has no other use here
		p.find(m, 1)
	case action == ActPrevious:
		p.find(m, -1)
	case action == ActAllow:
		if lines := p.shown(); p.allow != nil && p.at < len(lines) {
			p.allow(m, lines[p.at].line.text)
		}
	case action == ActHelp:
		m.open(&help{deeds: p.keys()})
	}
	return nil
}

// back takes a search or a filter away, or else leaves.
func (p *pager) back(m *Model) tea.Cmd {
	switch {
	case p.search != "":
		p.search = ""
	case p.filter != "":
		p.filter = ""
	default:
		return p.leave(m)
	}
	return nil
}

func (p *pager) leave(m *Model) tea.Cmd {
	m.closeTop()
	if p.src == nil || p.closed {
		p.closed = true
		return nil
	}
	p.closed = true
	return closing(p.src)
}

func (p *pager) move(by int) {
	p.follow = false
	p.top = max(min(p.top+by, len(p.shown())-1), 0)
	p.at = max(min(p.at+by, len(p.shown())-1), 0)
}

func (p *pager) lines(m *Model, width, height int) []string {
	p.width = width
	shown := p.shown()
	room := height - 1
	if p.why != "" {
		room = max(room-1, 1)
	}
	p.place(len(shown), room)
	out := []string{m.rule(p.heading())}
	for i := p.top; i < min(p.top+room, len(shown)); i++ {
		row := shown[i]
		if p.allow != nil && i == p.at {
			out = append(out, m.theme.selected.Render(fit(">"+row.text, width, false)))
			continue
		}
		out = append(out, strings.Repeat(" ", p.margin())+m.theme.marked(row.text, p.search, row.line.tone))
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
	if p.search != "" {
		at, all := p.matches()
		title += fmt.Sprintf(", match %d of %d of %s", at, all, line(p.search))
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

func (p *pager) hints(m *Model) []string { return m.hintsOf(p.keys()) }
