package agentrpc

import "bytes"

// TerminalModes follows which of a terminal's modes its output changes, so that
// another terminal can be put into the same ones, and taken out of them: the
// alternate screen, the cursor, mouse reports, bracketed paste, keyboard
// protocols, colours. Sources: xterm's ctlseqs, and for "CSI … u" the Kitty
// keyboard protocol. The zero value is a terminal after a reset.
type TerminalModes struct {
	private map[int]bool // DEC modes by number: whether set; without those as after a reset
	ansi    map[int]bool // ANSI modes that are set
	keys    [2]keyStack  // Kitty's, of the main and the alternate screen
	style   style
	seq     []byte // an unfinished escape sequence
}

// style is what else a program leaves behind, beside modes with a number.
type style struct {
	keypad    bool // DECKPAM
	otherKeys int  // xterm's modifyOtherKeys
	sgr       bool // colours and the like of the next character
	cursor    int  // its shape, DECSCUSR
	margins   bool // a scrolling region
	charset   bool // another G0 than ASCII
	shifted   bool // G1 in use
	link      bool // an OSC 8 that is open
	colours   [4]bool
}

// paletteOSC are the OSC numbers that set colours, in the order of style.colours.
// What resets them is the number plus 100.
func paletteOSC() [4]int { return [4]int{4, 10, 11, 12} }

const (
	// maxSequence bounds an escape sequence that is followed, in bytes. The rest
	// of a longer string, such as a title, is skipped.
	maxSequence = 64
	// maxKeyStack bounds the flags that a program pushes; a terminal forgets the
	// oldest too.
	maxKeyStack = 16
)

const (
	bell     = 0x07
	shiftOut = 0x0e
	shiftIn  = 0x0f
	escape   = 0x1b
)

// tracked reports whether a mode outlives what set it, and its state after a reset.
func tracked(mode int) (initially, ok bool) {
	switch mode {
	case 7, 25:
		return true, true
	case 1, 5, 6, 9, 12, 47, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1049, 2004, 2026, 2031, 2048, 9001:
		return false, true
	}
	return false, false
}

// Write follows output. It never fails.
func (m *TerminalModes) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(m.seq) > 0 {
			m.step(p[0])
			p = p[1:]
			continue
		}
		at := bytes.IndexAny(p, "\x0e\x0f\x1b")
		if at < 0 {
			return n, nil
		}
		m.start(p[at])
		p = p[at+1:]
	}
	return n, nil
}

func (m *TerminalModes) start(b byte) {
	if b == escape {
		m.seq = append(m.seq[:0], escape)
		return
	}
	m.style.shifted = b == shiftOut
}

// step takes one more byte of a sequence.
func (m *TerminalModes) step(b byte) {
	switch {
	case b == escape && !m.inString():
		m.seq = append(m.seq[:0], escape)
		return
	case len(m.seq) < maxSequence:
		m.seq = append(m.seq, b)
	case !m.inString():
		m.seq = m.seq[:0]
		return
	}
	switch kind := m.seq[1]; {
	case kind == ']':
		m.stepString(b)
	case kind == '[':
		if len(m.seq) > 2 && b >= 0x40 && b <= 0x7e {
			m.control(m.seq[2:len(m.seq)-1], b)
			m.seq = m.seq[:0]
		}
	case kind >= ' ' && kind <= '/':
		if len(m.seq) == 3 {
			if kind == '(' {
				m.style.charset = b != 'B'
			}
			m.seq = m.seq[:0]
		}
	default:
		m.short(kind)
		m.seq = m.seq[:0]
	}
}

// inString reports whether an OSC is under way, which ends with BEL or ESC \.
func (m *TerminalModes) inString() bool { return len(m.seq) > 1 && m.seq[1] == ']' }

// stepString ends an OSC where b does. An escape ends it too; what follows that
// is its own sequence, of which "ESC \" does nothing.
func (m *TerminalModes) stepString(b byte) {
	const cancel, substitute = 0x18, 0x1a
	switch b {
	case bell:
		m.command(bytes.TrimSuffix(m.seq[2:], []byte{bell}))
		m.seq = m.seq[:0]
	case escape:
		m.command(bytes.TrimSuffix(m.seq[2:], []byte{escape}))
		m.seq = append(m.seq[:0], escape)
	case cancel, substitute:
		m.seq = m.seq[:0]
	}
}

// short is a sequence of two bytes.
func (m *TerminalModes) short(b byte) {
	switch b {
	case 'c': // RIS
		*m = TerminalModes{seq: m.seq}
	case '=':
		m.style.keypad = true
	case '>':
		m.style.keypad = false
	}
}

// Alternate reports whether the alternate screen is shown.
func (m *TerminalModes) Alternate() bool {
	return m.private[47] || m.private[1047] || m.private[1049]
}
