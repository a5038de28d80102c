package tui

import (
	"strings"
)

// seek opens the line to type what is searched for. The first match from here on is shown
// meanwhile.
func (p *pager) seek(m *Model) {
	from, following := p.top, p.follow
	m.open(&filter{input: field("/", ""), hint: "Enter search", set: func(text string) {
		p.search = text
		p.jump(from)
		p.follow = following
		if text != "" {
			p.find(m, 0)
		}
	}})
}

// find goes to the next match in a direction, round at the ends; 0: to the one here, or the next.
func (p *pager) find(m *Model, by int) {
	rows := p.shown()
	if p.search == "" {
		m.say(toneDim, "nothing is searched for; "+m.keys.hint(ActFilter, "searches"))
		return
	}
	step := by
	if by == 0 {
		step = 1
	}
	at := p.here() + by
	for range rows {
		at = (at + len(rows)) % len(rows)
		if rowMatches(rows, at, p.search) {
			p.jump(at)
			return
		}
		at += step
	}
	m.say(toneBad, "no match of "+line(p.search))
}

// here is the row that a search goes on from.
func (p *pager) here() int {
	if p.allow != nil {
		return p.at
	}
	return p.found
}

func (p *pager) jump(row int) {
	p.follow = false
	p.top, p.at, p.found = row, row, row
}

// matches says which match the one here is, and of how many rows.
func (p *pager) matches() (at, all int) {
	rows := p.shown()
	for i := range rows {
		if rowMatches(rows, i, p.search) {
			all++
			if i <= p.here() {
				at = all
			}
		}
	}
	return at, all
}

// rowMatches reports whether a row has what is searched for; the first of a line, also where
// that stands across the rows of the line.
func rowMatches(rows []pageRow, at int, search string) bool {
	row := rows[at]
	if matches(row.text, search) {
		return true
	}
	if !row.first || !matches(row.line.text, search) {
		return false
	}
	for at++; at < len(rows) && rows[at].number == row.number; at++ {
		if matches(rows[at].text, search) {
			return false
		}
	}
	return true
}

func matches(text, search string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(search))
}

// marked is a row with what is searched for set off.
func (t theme) marked(text, search string, as tone) string {
	var b strings.Builder
	want, low := strings.ToLower(search), strings.ToLower(text)
	if len(low) != len(text) { // a letter whose cases have different lengths
		want = ""
	}
	for want != "" {
		at := strings.Index(low, want)
		if at < 0 {
			break
		}
		b.WriteString(t.paint(as, text[:at]))
		b.WriteString(t.selected.Render(text[at : at+len(want)]))
		text, low = text[at+len(want):], low[at+len(want):]
	}
	b.WriteString(t.paint(as, text))
	return b.String()
}

// keys are a pager's. Those without a word are only in its help.
func (p *pager) keys() []deed {
	next, previous := deed{action: ActNew, doc: "next match; n, too"}, deed{action: ActPrevious, doc: "previous match"}
	if p.search != "" {
		next.word, previous.word = "next", "previous"
	}
	end := deed{action: ActBottom, word: "end", doc: "go to the end"}
	if !p.head {
		end.word, end.doc = "follow", "go to the end, and follow it"
	}
	keys := []deed{
		{action: ActBack, word: "back", doc: "end the search or the filter; go back"},
		{action: ActFilter, word: "search", doc: "search"},
		next, previous,
		{action: ActNarrow, word: "only", doc: "show only the lines that match; ! at the beginning inverts"},
		{action: ActPageDown, word: "page", doc: "go down a page"},
		end,
		{action: ActTop, word: "top", doc: "go to the top"},
	}
	for _, action := range []string{ActPageUp, ActUp, ActDown} {
		keys = append(keys, deed{action: action})
	}
	if p.allow != nil {
		keys = append([]deed{{action: ActAllow, word: "edit and allow", doc: "edit a rule that allows the chosen line, and add it"}}, keys...)
	}
	return keys
}
