package web

import (
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/plain"
)

// The bounds of a diff on a page.
const (
	maxDiffLines = 4000
	maxDiffLine  = 2000 // bytes of a line that are shown
)

// diffLine is a line of a diff. Old and New are 0 where it has no number.
type diffLine struct {
	Kind     string // add, del, hunk, note; empty: as it was
	Sign     string
	Old, New int
	Text     string
}

// diffView is the diff of one file.
type diffView struct {
	File  string
	Lines []diffLine
	Cut   bool // there is more of it
}

// diffParser numbers the lines of hunks.
type diffParser struct {
	inHunk   bool
	old, new int
}

// line is a line of a patch as a page shows it; false: it is one of git's for programs.
func (p *diffParser) line(text string) (l diffLine, ok bool) {
	if strings.HasPrefix(text, "@@ ") {
		var oldCount, newCount int
		if _, err := fmt.Sscanf(text, "@@ -%d,%d +%d,%d @@", &p.old, &oldCount, &p.new, &newCount); err != nil {
			p.old, p.new = singles(text)
		}
		p.inHunk = true
		return diffLine{Kind: "hunk", Text: shown(text)}, true
	}
	if !p.inHunk {
		return header(text)
	}
	if text == "" {
		text = " " // an empty line, of which somebody has cut the blank
	}
	l = diffLine{Text: shown(text[1:])}
	switch text[0] {
	case '+':
		l.Kind, l.Sign, l.New = "add", "+", p.new
		p.new++
	case '-':
		l.Kind, l.Sign, l.Old = "del", "−", p.old
		p.old++
	case ' ':
		l.Old, l.New = p.old, p.new
		p.old, p.new = p.old+1, p.new+1
	default: // "\ No newline at end of file"
		l.Kind, l.Text = "note", shown(strings.TrimPrefix(text, "\\ "))
	}
	return l, true
}

// singles are the first lines of a hunk, where git leaves out counts of 1.
func singles(text string) (before, after int) {
	words := strings.Fields(text)
	if len(words) > 2 {
		_, _ = fmt.Sscanf(words[1], "-%d", &before)
		_, _ = fmt.Sscanf(words[2], "+%d", &after)
	}
	return before, after
}

// header is what stands before the hunks and says something that the page does not.
func header(text string) (diffLine, bool) {
	for _, told := range []string{"old mode ", "new mode ", "new file mode ", "deleted file mode ", "similarity index ", "rename ", "copy ", "GIT binary patch", "Binary files "} {
		if strings.HasPrefix(text, told) {
			return diffLine{Kind: "note", Text: shown(text)}, true
		}
	}
	return diffLine{}, false
}

func shown(text string) string { return plain.Lines(text, maxDiffLine) }
