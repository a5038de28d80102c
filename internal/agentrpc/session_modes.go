package agentrpc

import (
	"bytes"
	"slices"
	"strconv"
)

// TerminalModes follows which of a terminal's modes its output changes, so that
// another terminal can be put into the same ones, and taken out of them: the
// alternate screen, the cursor, mouse reports, bracketed paste. Source: xterm's
// ctlseqs, "DEC Private Mode Set". The zero value is a terminal after a reset.
type TerminalModes struct {
	changed map[int]bool // by mode: whether it is set; without those as after a reset
	seq     []byte       // an unfinished escape sequence
}

// maxSequence bounds an escape sequence that is followed, in bytes.
const maxSequence = 64

const escape = 0x1b

// tracked reports whether a mode outlives what set it, and its state after a reset.
func tracked(mode int) (initially, ok bool) {
	switch mode {
	case 7, 25:
		return true, true
	case 1, 9, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1047, 1049, 2004:
		return false, true
	}
	return false, false
}

// Write follows output. It never fails.
func (m *TerminalModes) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(m.seq) == 0 {
			at := bytes.IndexByte(p, escape)
			if at < 0 {
				return n, nil
			}
			m.seq = append(m.seq, escape)
			p = p[at+1:]
			continue
		}
		m.seq = append(m.seq, p[0])
		p = p[1:]
		m.step()
	}
	return n, nil
}

// step looks at the sequence after one more byte of it.
func (m *TerminalModes) step() {
	last := m.seq[len(m.seq)-1]
	switch {
	case last == escape:
		m.seq = append(m.seq[:0], escape)
	case len(m.seq) == 2 && last == 'c': // RIS
		m.changed, m.seq = nil, m.seq[:0]
	case len(m.seq) == 2 && last != '[', len(m.seq) > maxSequence:
		m.seq = m.seq[:0]
	case len(m.seq) > 2 && last >= 0x40 && last <= 0x7e:
		if body, ok := bytes.CutPrefix(m.seq, []byte("\x1b[?")); ok && (last == 'h' || last == 'l') {
			m.set(body[:len(body)-1], last == 'h')
		}
		m.seq = m.seq[:0]
	}
}

func (m *TerminalModes) set(numbers []byte, on bool) {
	for text := range bytes.SplitSeq(numbers, []byte(";")) {
		mode, err := strconv.Atoi(string(text))
		if err != nil {
			continue
		}
		initially, ok := tracked(mode)
		switch {
		case !ok:
		case on == initially:
			delete(m.changed, mode)
		default:
			if m.changed == nil {
				m.changed = map[int]bool{}
			}
			m.changed[mode] = on
		}
	}
}

// Alternate reports whether the alternate screen is shown.
func (m *TerminalModes) Alternate() bool {
	return m.changed[47] || m.changed[1047] || m.changed[1049]
}

// Restore is what puts a terminal after a reset into these modes.
func (m *TerminalModes) Restore() []byte { return m.sequences(true) }

// Leave is what takes a terminal out of these modes.
func (m *TerminalModes) Leave() []byte { return m.sequences(false) }

func (m *TerminalModes) sequences(same bool) []byte {
	modes := make([]int, 0, len(m.changed))
	for mode := range m.changed {
		modes = append(modes, mode)
	}
	slices.Sort(modes)
	var out []byte
	for _, mode := range modes {
		out = append(out, "\x1b[?"...)
		out = strconv.AppendInt(out, int64(mode), 10)
		if m.changed[mode] == same {
			out = append(out, 'h')
		} else {
			out = append(out, 'l')
		}
	}
	return out
}
