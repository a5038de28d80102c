package fault

import "unicode/utf8"

// MaxText bounds a message or a hint that is stored or sent, in bytes. An image, a
// registry or a guest may have chosen what is in it.
const MaxText = 4 << 10

// Clip cuts a text that is longer than MaxText between two characters.
func Clip(text string) string { return clip(text, MaxText) }

// clip cuts a text that is longer than most, in bytes.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const mark = "…"
	end := max(0, most-len(mark))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
