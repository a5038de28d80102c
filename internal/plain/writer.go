package plain

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// Writer passes on a program's output as text that a terminal only shows: what
// Lines shows, and colours. All else is left out, escape sequences as a whole,
// however writes have cut them; what is not UTF-8 is U+FFFD. It holds a few bytes.
type Writer struct {
	w       io.Writer
	colours bool

	seq     []byte // an unfinished escape sequence, or character
	string  int    // how long the control string under way is; 0: none
	escaped bool   // it may be ending: an escape came
	cr      bool   // a carriage return came, and its line feed perhaps
	tinted  bool   // a colour is on
	out     []byte
}

const (
	// maxEscape bounds an escape sequence, maxString a control string such as a
	// title, in bytes: what is longer, or goes on beyond its line, is none, so that
	// no guest hides what follows.
	maxEscape = 64
	maxString = 4096

	esc = 0x1b
)

// NewWriter writes to w. With colours, those pass.
func NewWriter(w io.Writer, colours bool) *Writer { return &Writer{w: w, colours: colours} }

// Write implements io.Writer.
func (p *Writer) Write(data []byte) (int, error) {
	p.out = p.out[:0]
	for _, b := range data {
		p.take(b)
	}
	if _, err := p.w.Write(p.out); err != nil {
		return 0, err
	}
	return len(data), nil
}

// End takes colours off. What is unfinished is left out. It does not close what
// is written to.
func (p *Writer) End() error {
	if !p.tinted {
		return nil
	}
	p.tinted = false
	_, err := io.WriteString(p.w, "\x1b[0m")
	return err
}

func (p *Writer) take(b byte) {
	switch {
	case p.string > 0:
		p.inString(b)
	case len(p.seq) > 0 && p.seq[0] == esc:
		p.inEscape(b)
	case len(p.seq) > 0 && b&0xc0 == 0x80: // of a character of several bytes
		if p.seq = append(p.seq, b); utf8.FullRune(p.seq) {
			p.character()
		}
	case len(p.seq) > 0:
		p.show(utf8.RuneError)
		p.seq = p.seq[:0]
		p.take(b)
	case b == esc:
		p.seq = append(p.seq, b)
	case b >= utf8.RuneSelf:
		if p.seq = append(p.seq, b); utf8.FullRune(p.seq) {
			p.character()
		}
	default:
		p.show(rune(b))
	}
}

func (p *Writer) character() {
	r, _ := utf8.DecodeRune(p.seq)
	p.seq = p.seq[:0]
	p.show(r)
}

// show adds a character if it is one that only shows.
func (p *Writer) show(r rune) {
	const carriageReturn = '\r'
	if p.cr && r != '\n' {
		p.out = append(p.out, '\n') // it would let a line be written over
	}
	p.cr = r == carriageReturn
	switch seen := visible(r); {
	case r == '\n', r == '\t', r == mark, r == utf8.RuneError:
		p.out = utf8.AppendRune(p.out, r)
	case seen != mark:
		p.out = utf8.AppendRune(p.out, seen)
	}
}

// inEscape takes one more byte of an escape sequence.
func (p *Writer) inEscape(b byte) {
	if b < ' ' || len(p.seq) == maxEscape { // it is broken off
		p.seq = p.seq[:0]
		p.take(b)
		return
	}
	p.seq = append(p.seq, b)
	switch kind := p.seq[1]; {
	case kind == ']', kind == 'P', kind == '_', kind == '^', kind == 'X':
		p.seq, p.string = p.seq[:0], 1
	case kind == '[':
		if len(p.seq) > 2 && b >= 0x40 && b <= 0x7e {
			p.tint()
			p.seq = p.seq[:0]
		}
	case kind < '0' && len(p.seq) == 2: // one more follows
	default:
		p.seq = p.seq[:0]
	}
}

// inString takes one more byte of a control string.
func (p *Writer) inString(b byte) {
	const bell = 0x07
	p.string++
	switch {
	case p.escaped && b != '\\', b == '\n', b == '\r':
		escaped := p.escaped
		p.string, p.escaped = 0, false
		if escaped && b != '\n' && b != '\r' {
			p.seq = append(p.seq[:0], esc)
		}
		p.take(b)
	case p.escaped, b == bell, p.string > maxString:
		p.string, p.escaped = 0, false
	case b == esc:
		p.escaped = true
	}
}

// tint passes a colour on.
func (p *Writer) tint() {
	params := p.seq[2 : len(p.seq)-1]
	if !p.colours || p.seq[len(p.seq)-1] != 'm' || len(bytes.Trim(params, "0123456789;:")) > 0 {
		return
	}
	for param := range bytes.SplitSeq(params, []byte(";")) {
		if string(bytes.TrimLeft(param, "0")) == "8" { // which hides the text
			return
		}
	}
	p.tinted = len(bytes.Trim(params, "0;")) > 0
	p.out = append(p.out, p.seq...)
}
