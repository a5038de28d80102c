// Package plain makes text that a guest, a registry, a repository or another user
// chose safe for a terminal, a table or a log: it is only printable, on the lines and in
// the order in which it is written, and is as long as the reader allows.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark stands for each character that is not shown.
const mark = '?'

// Line is text on one line, of at most most bytes. Line breaks and tabs become
// spaces; controls, with them the beginning of each escape sequence, what has no
// width or turns the writing round, and what is not UTF-8 become question marks,
// so that no name looks like another.
func Line(text string, most int) string {
	return Clip(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return visible(r)
	}, unixLines(text)), most)
}

// Lines is Line for text of several lines: their breaks, as "\n", and tabs stay.
func Lines(text string, most int) string {
	return Clip(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, unixLines(text)), most)
}

// Shows reports whether r only shows: it is a letter, a mark, a digit, a symbol or
// the space, and is seen.
func Shows(r rune) bool { return r != utf8.RuneError && visible(r) == r }

// visible is r if it only shows, a space for a space of another kind, else mark.
func visible(r rune) rune {
	switch {
	case r >= ' ' && r <= '~':
		return r
	case unicode.In(r, unicode.Z):
		return ' '
	case r == utf8.RuneError, unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return mark
	case unicode.IsGraphic(r), unicode.Is(unicode.Co, r): // of those for private use, fonts have symbols
		return r
	default:
		return mark
	}
}

// unixLines has "\n" for each break of a line.
func unixLines(text string) string {
	if strings.IndexByte(text, '\r') < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
