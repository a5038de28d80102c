package cli

import (
	"bytes"
	"io"
	"os"
	"unicode"
	"unicode/utf8"
)

// plainText passes on what a guest wrote as text that a terminal only shows:
// printable characters, tabs, line breaks, and colours. All other controls are
// left out, escape sequences as a whole, however writes have cut them.
type plainText struct {
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
)

// plain is f for a guest's words: as they are when f is no terminal, or raw. The
// caller calls done at the end.
func (a *App) plain(f *os.File, raw bool) (w io.Writer, done func()) {
	if raw || !isTerminal(f) {
		return f, func() {}
	}
	p := &plainText{w: f, colours: a.colour(f)}
	return p, p.end
}

// Write implements io.Writer.
func (p *plainText) Write(data []byte) (int, error) {
	p.out = p.out[:0]
	for _, b := range data {
		p.take(b)
	}
	if _, err := p.w.Write(p.out); err != nil {
		return 0, err
	}
	return len(data), nil
}

// end takes colours off. What is unfinished is left out.
func (p *plainText) end() {
	if p.tinted {
		_, _ = io.WriteString(p.w, "\x1b[0m")
	}
}

func (p *plainText) take(b byte) {
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

func (p *plainText) character() {
	r, _ := utf8.DecodeRune(p.seq)
	p.seq = p.seq[:0]
	p.show(r)
}

// show adds a character if it is one that only shows.
func (p *plainText) show(r rune) {
	const carriageReturn = '\r'
	if p.cr && r != '\n' {
		p.out = append(p.out, '\n') // it would let a line be written over
	}
	p.cr = r == carriageReturn
	switch {
	case r == '\n', r == '\t':
		p.out = append(p.out, byte(r))
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
	default:
		p.out = utf8.AppendRune(p.out, r)
	}
}

// inEscape takes one more byte of an escape sequence.
func (p *plainText) inEscape(b byte) {
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
func (p *plainText) inString(b byte) {
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
func (p *plainText) tint() {
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
