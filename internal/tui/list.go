package tui

import (
	"slices"
	"strings"
)

// list is where the user is in a table: which row, which filter, which marks.
type list struct {
	chosen string // a row's id
	at     int    // where it was, for when it is gone
	top    int
	filter string
	marks  map[string]bool
}

// shown are the rows that the filter lets through. "!" at its beginning turns it round.
func (l *list) shown(rows []row) []row {
	want, inverse := strings.CutPrefix(strings.ToLower(l.filter), "!")
	if want == "" {
		return rows
	}
	var out []row
	for _, r := range rows {
		if strings.Contains(strings.ToLower(r.text()), want) != inverse {
			out = append(out, r)
		}
	}
	return out
}

// place finds the chosen row again; -1: there are none.
func (l *list) place(rows []row) int {
	if len(rows) == 0 {
		return -1
	}
	if at := slices.IndexFunc(rows, func(r row) bool { return r.id == l.chosen }); at >= 0 {
		l.at = at
	}
	l.at = min(max(l.at, 0), len(rows)-1)
	l.chosen = rows[l.at].id
	return l.at
}

// move chooses the row that is by rows further on.
func (l *list) move(rows []row, by int) {
	if at := l.place(rows); at >= 0 {
		l.at = min(max(at+by, 0), len(rows)-1)
		l.chosen = rows[l.at].id
	}
}

// window is the part of rows that height lines show, with the chosen one in it.
func (l *list) window(rows []row, height int) []row {
	at := l.place(rows)
	if at < 0 || height < 1 {
		return nil
	}
	l.top = min(l.top, at)
	l.top = max(l.top, at-height+1)
	l.top = min(max(l.top, 0), max(len(rows)-height, 0))
	return rows[l.top:min(l.top+height, len(rows))]
}

// mark turns the mark of the chosen row round, and goes on to the next.
func (l *list) mark(rows []row) {
	at := l.place(rows)
	if at < 0 {
		return
	}
	if l.marks == nil {
		l.marks = map[string]bool{}
	}
	if id := rows[at].id; l.marks[id] {
		delete(l.marks, id)
	} else {
		l.marks[id] = true
	}
	l.move(rows, 1)
}

// meant are the ids that an act is for: the marked rows, or the chosen one.
func (l *list) meant(rows []row) []string {
	var ids []string
	for _, r := range rows {
		if l.marks[r.id] {
			ids = append(ids, r.id)
		}
	}
	if at := l.place(rows); len(ids) == 0 && at >= 0 {
		ids = append(ids, rows[at].id)
	}
	return ids
}
