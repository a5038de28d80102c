package agentrpc

import (
	"maps"
	"slices"
	"strconv"
)

// Restore is what puts a terminal after a reset into these modes. Colours and
// the like are not among them: they come with what is painted.
func (m *TerminalModes) Restore() []byte {
	out := m.keys[0].restore(nil) // before the alternate screen, which has its own
	out = m.privates(out, true)
	if m.Alternate() {
		out = m.keys[1].restore(out)
	}
	if m.style.keypad {
		out = append(out, "\x1b="...)
	}
	if n := m.style.otherKeys; n != 0 {
		out = append(strconv.AppendInt(append(out, "\x1b[>4;"...), int64(n), 10), 'm')
	}
	if n := m.style.cursor; n != 0 {
		out = append(strconv.AppendInt(append(out, "\x1b["...), int64(n), 10), " q"...)
	}
	for _, mode := range slices.Sorted(maps.Keys(m.ansi)) {
		out = append(strconv.AppendInt(append(out, "\x1b["...), int64(mode), 10), 'h')
	}
	return out
}

// Leave is what takes a terminal out of these modes.
func (m *TerminalModes) Leave() []byte {
	var out []byte
	if m.Alternate() {
		out = m.keys[1].leave(out)
	}
	out = m.privates(out, false)
	out = m.keys[0].leave(out)
	for _, mode := range slices.Sorted(maps.Keys(m.ansi)) {
		out = append(strconv.AppendInt(append(out, "\x1b["...), int64(mode), 10), 'l')
	}
	return m.style.leave(out)
}

func (m *TerminalModes) privates(out []byte, same bool) []byte {
	for _, mode := range slices.Sorted(maps.Keys(m.private)) {
		out = strconv.AppendInt(append(out, "\x1b[?"...), int64(mode), 10)
		if m.private[mode] == same {
			out = append(out, 'h')
		} else {
			out = append(out, 'l')
		}
	}
	return out
}

func (s *style) leave(out []byte) []byte {
	for _, undo := range []struct {
		changed bool
		by      string
	}{
		{s.keypad, "\x1b>"},
		{s.otherKeys != 0, "\x1b[>4m"},
		{s.margins, "\x1b7\x1b[r\x1b8"}, // which sends the cursor home
		{s.charset, "\x1b(B"},
		{s.shifted, "\x0f"},
		{s.link, "\x1b]8;;\x1b\\"},
		{s.sgr, "\x1b[0m"},
		{s.cursor != 0, "\x1b[0 q"},
	} {
		if undo.changed {
			out = append(out, undo.by...)
		}
	}
	for i, set := range paletteOSC() {
		if s.colours[i] {
			out = append(strconv.AppendInt(append(out, "\x1b]"...), int64(set+100), 10), "\x1b\\"...)
		}
	}
	return out
}
