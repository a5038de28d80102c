package tui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
)

// column is one of a table. Where the table is too wide, those that grow are cut, then the
// columns with the highest drop go, and then those that grow are cut further.
type column struct {
	title string
	right bool
	grow  bool
	drop  int // 0: never
}

// cell is text. Of a list it has the items, so that what is cut says how many are left out.
type cell struct {
	text  string
	items []string
	tone  tone
}

// listed is a cell of a list.
func listed(items []string) cell { return cell{text: strings.Join(items, listGap), items: items} }

const listGap = ", "

// within is the cell's text for width cells: of a list as many items as there is room for.
func (c cell) within(width int) string {
	if lipgloss.Width(c.text) <= width {
		return c.text
	}
	for n := len(c.items) - 1; n > 0; n-- {
		text := fmt.Sprintf("%s +%d", strings.Join(c.items[:n], listGap), len(c.items)-n)
		if lipgloss.Width(text) <= width {
			return text
		}
	}
	if n := len(c.items); n > 0 {
		return cut(fmt.Sprintf("+%d", n), width)
	}
	return c.text
}

// row is one of a table: the cells, in the order of the columns.
type row struct {
	id    string // stays the same while the row moves
	title string // over what is said of it; empty: the first cell
	cells []cell
}

// text is what a filter looks at.
func (r row) text() string {
	words := make([]string, len(r.cells))
	for i, c := range r.cells {
		words[i] = c.text
	}
	return strings.Join(words, " ")
}

const gap = 2 // between columns

// widths are the columns' own, 0 for those that are left out.
func widths(columns []column, rows []row, space int) []int {
	wide := make([]int, len(columns))
	for i, c := range columns {
		wide[i] = lipgloss.Width(c.title)
		for _, r := range rows {
			wide[i] = max(wide[i], lipgloss.Width(r.cells[i].text))
		}
	}
	natural := slices.Clone(wide)
	for i, c := range columns {
		if c.grow {
			wide[i] = min(wide[i], minGrow)
		}
	}
	for total(wide) > space {
		out := -1
		for i, c := range columns {
			if wide[i] > 0 && c.drop > 0 && (out < 0 || c.drop >= columns[out].drop) {
				out = i
			}
		}
		if out < 0 {
			break
		}
		wide[out] = 0
	}
	for i, c := range columns {
		if !c.grow || wide[i] == 0 {
			continue
		}
		if over := total(wide) - space; over > 0 {
			wide[i] = max(wide[i]-over, 4)
		} else {
			wide[i] = min(natural[i], wide[i]-over)
		}
	}
	for total(wide) > space { // what neither grows nor goes is too wide by itself
		at := 0
		for i, w := range wide {
			if w > wide[at] {
				at = i
			}
		}
		if wide[at] <= 1 {
			break
		}
		wide[at]--
	}
	return wide
}

// minGrow is what a column that grows has before others are left out for it.
const minGrow = 10

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		if w > 0 {
			sum += w + gap
		}
	}
	return max(sum-gap, 0)
}

// fit is plain text in exactly width cells, with an ellipsis where it is cut.
func fit(text string, width int, right bool) string {
	w := lipgloss.Width(text)
	if w > width {
		text = cut(text, width)
		w = lipgloss.Width(text)
	}
	pad := strings.Repeat(" ", max(width-w, 0))
	if right {
		return pad + text
	}
	return text + pad
}

// cut is the beginning of text, in at most width cells.
func cut(text string, width int) string {
	if lipgloss.Width(text) <= width {
		return text
	}
	used := 0
	for i, r := range text {
		w := lipgloss.Width(string(r))
		if used+w > width-1 {
			return text[:i] + strings.Repeat("…", min(width, 1))
		}
		used += w
	}
	return text
}

// head is the line of titles.
func (t theme) head(columns []column, wide []int) string {
	var words []string
	for i, c := range columns {
		if wide[i] > 0 {
			words = append(words, fit(c.title, wide[i], c.right))
		}
	}
	return t.paint(toneDim, "   "+strings.Join(words, strings.Repeat(" ", gap)))
}

// line is a row. The first two cells of the screen say whether it is chosen and marked.
func (t theme) line(columns []column, wide []int, r row, chosen, marked bool, width int) string {
	sign := []byte("   ")
	if chosen {
		sign[0] = '>'
	}
	if marked {
		sign[1] = '*'
	}
	var b strings.Builder
	b.Write(sign)
	first := true
	for i, c := range columns {
		if wide[i] == 0 {
			continue
		}
		if !first {
			b.WriteString(strings.Repeat(" ", gap))
		}
		first = false
		text := fit(r.cells[i].within(wide[i]), wide[i], c.right)
		if !chosen {
			text = t.paint(r.cells[i].tone, text)
		}
		b.WriteString(text)
	}
	if chosen {
		return t.selected.Render(fit(b.String(), width, false))
	}
	return b.String()
}

// wrapped are the lines of plain text, of at most width cells each, broken between
// words where that is possible.
func wrapped(text string, width int) []string {
	if width < 1 {
		return nil
	}
	return strings.Split(lipgloss.NewStyle().Width(width).Render(text), "\n")
}
