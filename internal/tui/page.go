package tui

import (
	"slices"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
)

// page is what a pager shows of its lines: those that match its filter, in rows of the screen's
// width, so that nothing stands where it cannot be seen. It is kept while lines are added, as a
// guest can add them fast.
type page struct {
	filter  string
	width   int
	seen    int // how many lines were looked at, with those dropped
	matches int
	all     []pageRow
}

// pageLine is a line that a pager keeps.
type pageLine struct {
	text string
	tone tone
}

// pageRow is a row, and the line that it is of.
type pageRow struct {
	text   string
	line   pageLine
	number int  // of the line
	first  bool // of its rows
}

// rows are those of lines, of which the first are gone.
func (p *page) rows(lines []pageLine, gone int, filter string, width int) []pageRow {
	width = max(width, 1)
	if p.filter != filter || p.width != width {
		*p = page{filter: filter, width: width}
	}
	want, inverse := strings.CutPrefix(strings.ToLower(filter), "!")
	for p.seen = max(p.seen, gone); p.seen < gone+len(lines); p.seen++ {
		one := lines[p.seen-gone]
		if want != "" && strings.Contains(strings.ToLower(one.text), want) == inverse {
			continue
		}
		p.matches++
		for i, piece := range pieces(one.text, width) {
			p.all = append(p.all, pageRow{text: piece, line: one, number: p.seen, first: i == 0})
		}
	}
	return p.all
}

// drop forgets the rows of lines before gone, and says how many these are.
func (p *page) drop(gone int) int {
	n := 0
	for n < len(p.all) && p.all[n].number < gone {
		if p.all[n].first {
			p.matches--
		}
		n++
	}
	p.all = slices.Delete(p.all, 0, n)
	return n
}

// pieces are a line in pieces of at most width cells, whatever stands in it: a diff is read by
// the character.
func pieces(text string, width int) []string {
	if len(text) <= width {
		return []string{text}
	}
	var all []string
	used, from := 0, 0
	for i, r := range text {
		w := 1
		if r > unicode.MaxASCII { // to measure takes a while, and a log is long
			w = lipgloss.Width(string(r))
		}
		if used+w > width && i > from {
			all, used, from = append(all, text[from:i]), 0, i
		}
		used += w
	}
	return append(all, text[from:])
}
