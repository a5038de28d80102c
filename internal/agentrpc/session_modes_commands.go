package agentrpc

import (
	"bytes"
	"slices"
	"strconv"
)

// control is a sequence "CSI body final".
func (m *TerminalModes) control(body []byte, final byte) {
	mark := byte(0)
	if len(body) > 0 && body[0] >= '<' && body[0] <= '?' {
		mark, body = body[0], body[1:]
	}
	switch {
	case mark == '?' && (final == 'h' || final == 'l'):
		m.setPrivate(body, final == 'h')
	case mark == 0 && (final == 'h' || final == 'l'):
		m.setANSI(body, final == 'h')
	case final == 'u':
		m.keyboard(mark, body)
	case final == 'm' && mark == '>':
		if resource, value, _ := bytes.Cut(body, []byte(";")); number(resource, 0) == 4 {
			m.style.otherKeys = number(value, 0)
		}
	case final == 'm' && mark == 0:
		m.style.sgr = len(bytes.Trim(body, "0;")) > 0
	case final == 'r' && mark == 0:
		m.style.margins = len(body) > 0
	case final == 'q' && mark == 0 && bytes.HasSuffix(body, []byte(" ")):
		m.style.cursor = number(body[:len(body)-1], 0)
	case final == 'p' && string(body) == "!": // DECSTR
		m.soften()
	}
}

// soften is a soft reset: of what DECSTR resets in every terminal.
func (m *TerminalModes) soften() {
	for _, mode := range []int{1, 6, 25, 66, 69} {
		delete(m.private, mode)
	}
	m.ansi = nil
	link, colours, otherKeys := m.style.link, m.style.colours, m.style.otherKeys
	m.style = style{link: link, colours: colours, otherKeys: otherKeys}
}

// command is an OSC.
func (m *TerminalModes) command(body []byte) {
	name, rest, _ := bytes.Cut(body, []byte(";"))
	code := number(name, -1)
	if code == 8 {
		_, target, _ := bytes.Cut(rest, []byte(";"))
		m.style.link = len(target) > 0
		return
	}
	for i, set := range paletteOSC() {
		switch {
		case code == set && !bytes.HasSuffix(rest, []byte("?")): // which only asks
			m.style.colours[i] = true
		case code == set+100:
			m.style.colours[i] = false
		}
	}
}

func (m *TerminalModes) setPrivate(numbers []byte, on bool) {
	for text := range bytes.SplitSeq(numbers, []byte(";")) {
		mode := number(text, -1)
		initially, ok := tracked(mode)
		switch {
		case !ok:
		case on == initially:
			delete(m.private, mode)
		default:
			if m.private == nil {
				m.private = map[int]bool{}
			}
			m.private[mode] = on
		}
	}
}

func (m *TerminalModes) setANSI(numbers []byte, on bool) {
	for text := range bytes.SplitSeq(numbers, []byte(";")) {
		mode := number(text, -1)
		if !slices.Contains([]int{4, 20}, mode) { // insert, new line
			continue
		}
		if m.ansi == nil {
			m.ansi = map[int]bool{}
		}
		if delete(m.ansi, mode); on {
			m.ansi[mode] = true
		}
	}
}

func number(text []byte, otherwise int) int {
	if n, err := strconv.Atoi(string(text)); err == nil {
		return n
	}
	return otherwise
}
