package plain

import "unicode/utf8"

const ellipsis = "…"

// maxValue bounds what Value keeps, in bytes.
const maxValue = 200

// Value is as much of text as a message quotes of a value at fault, by %q, which
// writes what does not show as escapes.
func Value(text string) string { return Clip(text, maxValue) }

// Clip is the beginning of text, of at most most bytes: cut between two
// characters, with an ellipsis.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len(ellipsis)
	if end < 0 {
		return ""
	}
	for n := 1; n < utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]); n++ {
		end--
	}
	return text[:end] + ellipsis
}

// Tail is the end of text, as Clip is its beginning.
func Tail(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if most < len(ellipsis) {
		return ""
	}
	text = text[len(text)-most+len(ellipsis):]
	for n := 1; n < utf8.UTFMax && text != "" && !utf8.RuneStart(text[0]); n++ {
		text = text[1:]
	}
	return ellipsis + text
}

// Columns is the beginning of text, of at most most characters, with an ellipsis
// where it is cut.
func Columns(text string, most int) string {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	if most < 1 {
		return ""
	}
	return string([]rune(text)[:most-1]) + ellipsis
}
