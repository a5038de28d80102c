package fault

import "unicode/utf8"

// MaxText bounds a message or a hint that is stored or sent, in bytes. An image, a
// registry or a guest may have chosen what is in it.
const MaxText = 4 << 10

// Clip cuts a text that is longer than MaxText between two characters.
func Clip(text string) string {
	if len(text) <= MaxText {
		return text
	}
	const mark = "…"
	end := MaxText - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
