package agentrpc

import (
	"bytes"
	"strconv"
)

// keyStack is what a program asked of the keyboard by Kitty's protocol, on one
// screen: the flags in force last. The first are those below all that were pushed.
type keyStack struct{ flags []int }

// keyboard follows "CSI > flags u", "CSI < n u" and "CSI = flags ; how u".
func (m *TerminalModes) keyboard(mark byte, body []byte) {
	s := &m.keys[m.screen()]
	first, second, _ := bytes.Cut(body, []byte(";"))
	switch mark {
	case '>':
		s.push(number(first, 0))
	case '<':
		s.pop(number(first, 1))
	case '=':
		s.set(number(first, 0), number(second, 1))
	}
}

func (m *TerminalModes) screen() int {
	if m.Alternate() {
		return 1
	}
	return 0
}

func (s *keyStack) push(flags int) {
	if len(s.flags) == 0 {
		s.flags = append(s.flags, 0)
	}
	if len(s.flags) > maxKeyStack {
		s.flags = append(s.flags[:1], s.flags[2:]...)
	}
	s.flags = append(s.flags, flags&31)
}

func (s *keyStack) pop(n int) {
	n = min(max(n, 1), len(s.flags))
	if s.flags = s.flags[:len(s.flags)-n]; len(s.flags) == 1 && s.flags[0] == 0 {
		s.flags = nil
	}
}

func (s *keyStack) set(flags, how int) {
	if len(s.flags) == 0 {
		s.flags = append(s.flags, 0)
	}
	top := &s.flags[len(s.flags)-1]
	switch how {
	case 2:
		*top |= flags & 31
	case 3:
		*top &^= flags
	default:
		*top = flags & 31
	}
	if len(s.flags) == 1 && s.flags[0] == 0 {
		s.flags = nil
	}
}

// restore asks the same of a keyboard after a reset, leave takes it back.
func (s *keyStack) restore(out []byte) []byte {
	for i, flags := range s.flags {
		switch {
		case i > 0:
			out = append(strconv.AppendInt(append(out, "\x1b[>"...), int64(flags), 10), 'u')
		case flags != 0:
			out = append(strconv.AppendInt(append(out, "\x1b[="...), int64(flags), 10), ";1u"...)
		}
	}
	return out
}

func (s *keyStack) leave(out []byte) []byte {
	if pushed := len(s.flags) - 1; pushed > 0 {
		out = append(strconv.AppendInt(append(out, "\x1b[<"...), int64(pushed), 10), 'u')
	}
	if len(s.flags) > 0 && s.flags[0] != 0 {
		out = append(out, "\x1b[=0;1u"...)
	}
	return out
}
