package cli

import (
	"strings"
	"unicode/utf8"

	"github.com/bangervm/banger/internal/plain"
)

// column is one column of a table of T.
type column[T any] struct {
	head string
	cell func(T) string
	// tint returns the SGR parameters of the cell's colour; nil: none.
	tint func(T) string
	// optional columns are left out when no row has anything in them.
	optional bool
}

// renderTable aligns rows under their heads. The last column is not padded.
func renderTable[T any](items []T, columns []column[T], colour bool) string {
	type line struct{ cells, tints []string }
	shown := make([]column[T], 0, len(columns))
	for _, c := range columns {
		if !c.optional || hasValue(items, c) {
			shown = append(shown, c)
		}
	}
	lines := make([]line, len(items)+1)
	widths := make([]int, len(shown))
	for i, c := range shown {
		lines[0].cells = append(lines[0].cells, c.head)
		lines[0].tints = append(lines[0].tints, "")
		widths[i] = utf8.RuneCountInString(c.head)
		for j, item := range items {
			text, tint := plain.Line(c.cell(item), maxShown), ""
			if c.tint != nil && colour {
				tint = c.tint(item)
			}
			lines[j+1].cells = append(lines[j+1].cells, text)
			lines[j+1].tints = append(lines[j+1].tints, tint)
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for _, l := range lines {
		for i, text := range l.cells {
			last := i == len(l.cells)-1
			pad := widths[i] - utf8.RuneCountInString(text)
			b.WriteString(tinted(text, l.tints[i]))
			if !last {
				b.WriteString(strings.Repeat(" ", pad+2))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func hasValue[T any](items []T, c column[T]) bool {
	for _, item := range items {
		if c.cell(item) != "" {
			return true
		}
	}
	return false
}

// renderFields writes one item as aligned "NAME  value" lines, without those
// that have no value.
func renderFields[T any](item T, fields []column[T], colour bool) string {
	width := 0
	for _, f := range fields {
		if f.cell(item) != "" {
			width = max(width, len(f.head))
		}
	}
	var b strings.Builder
	for _, f := range fields {
		text := f.cell(item)
		if text == "" {
			continue
		}
		text = indented(text, width+2)
		if f.tint != nil && colour {
			text = tinted(text, f.tint(item))
		}
		b.WriteString(f.head + strings.Repeat(" ", width-len(f.head)+2) + text + "\n")
	}
	return b.String()
}

func tinted(text, sgr string) string {
	if sgr == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// growingTable aligns rows with those before them, for what is printed as it comes:
// columns only ever widen.
type growingTable struct {
	widths []int
	rows   [][]string
}

func (l *growingTable) add(cells []string) {
	for i, cell := range cells {
		cells[i] = plain.Line(cell, maxShown)
		l.widths[i] = max(l.widths[i], min(utf8.RuneCountInString(cells[i]), 60))
	}
	l.rows = append(l.rows, cells)
}

func (l *growingTable) flush() string {
	var b strings.Builder
	for _, cells := range l.rows {
		var line strings.Builder
		for i, cell := range cells {
			line.WriteString(cell + strings.Repeat(" ", max(l.widths[i]-utf8.RuneCountInString(cell), 0)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	l.rows = l.rows[:0]
	return b.String()
}
