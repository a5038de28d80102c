package tui

import (
	"strconv"
	"strings"
)

// diffTones gives the lines of a patch their tones, in their order. What is in a hunk is told by
// the hunk's counts: a line that was added may begin with "++", and look like a header.
type diffTones struct{ before, after int } // lines of the hunk to come

func (d *diffTones) of(text string) tone {
	if d.before > 0 || d.after > 0 {
		return d.inHunk(text)
	}
	if before, after, ok := hunkCounts(text); ok {
		d.before, d.after = before, after
		return toneBusy
	}
	for _, head := range []string{"diff ", "+++ ", "--- "} {
		if strings.HasPrefix(text, head) {
			return toneAttention
		}
	}
	return toneNone
}

func (d *diffTones) inHunk(text string) tone {
	switch {
	case strings.HasPrefix(text, "+"):
		d.after--
		return toneGood
	case strings.HasPrefix(text, "-"):
		d.before--
		return toneBad
	case strings.HasPrefix(text, `\`): // "\ No newline at end of file"
		return toneDim
	default: // or an empty line, of which somebody has cut the blank
		d.before, d.after = d.before-1, d.after-1
		return toneNone
	}
}

// hunkCounts reads how many lines of each side a hunk has from its head, "@@ -1,2 +1,3 @@".
// Where git leaves a count out it is 1.
func hunkCounts(text string) (before, after int, ok bool) {
	words := strings.Fields(text)
	if len(words) < 4 || words[0] != "@@" || words[3] != "@@" {
		return 0, 0, false
	}
	before, okBefore := hunkCount(words[1], "-")
	after, okAfter := hunkCount(words[2], "+")
	return before, after, okBefore && okAfter
}

func hunkCount(word, sign string) (int, bool) {
	span, ok := strings.CutPrefix(word, sign)
	_, count, counted := strings.Cut(span, ",")
	if !ok || !counted {
		return 1, ok
	}
	n, err := strconv.Atoi(count)
	return n, err == nil && n >= 0
}
