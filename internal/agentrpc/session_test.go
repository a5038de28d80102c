package agentrpc_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestAttachFramesRoundTrip(t *testing.T) {
	var line []byte
	data := bytes.Repeat([]byte("y"), agentrpc.MaxAttachData)
	line = agentrpc.AppendFrame(line, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, 1<<40), data)
	head := make([]byte, agentrpc.AttachDataHead)
	agentrpc.PutAttachHead(head, agentrpc.AttachStdout, 7, 2)
	line = append(append(line, head...), "hi"...)
	r := bytes.NewReader(line)
	for _, want := range []struct {
		t      agentrpc.AttachFrame
		offset int64
		data   []byte
	}{{agentrpc.AttachStdin, 1 << 40, data}, {agentrpc.AttachStdout, 7, []byte("hi")}} {
		ft, payload, err := agentrpc.ReadAttachFrame(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		offset, got, err := agentrpc.ParseOffset(payload)
		if err != nil || ft != want.t || offset != want.offset || !bytes.Equal(got, want.data) {
			t.Errorf("type %d at %d, %d bytes, %v", ft, offset, len(got), err)
		}
	}
	if _, _, err := agentrpc.ReadAttachFrame(r, nil); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func FuzzReadAttachFrame(f *testing.F) {
	f.Add(agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, 3), []byte("abc")))
	f.Add(agentrpc.AppendFrame(nil, agentrpc.AttachLost, []byte{0}, agentrpc.AppendOffset(agentrpc.AppendOffset(nil, 1), 2)))
	f.Add([]byte{17, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{21, 0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		var buf []byte
		for {
			ft, payload, err := agentrpc.ReadAttachFrame(r, buf)
			if err != nil {
				return
			}
			if len(payload) > agentrpc.MaxAttachFrame {
				t.Fatalf("%d bytes", len(payload))
			}
			if offset, rest, err := agentrpc.ParseOffset(payload); err == nil && (offset < 0 || len(rest) > agentrpc.MaxAttachData) {
				t.Fatalf("offset %d, %d bytes", offset, len(rest))
			}
			if stream, from, to, err := agentrpc.ParseLost(payload); err == nil && (stream > agentrpc.Stderr || from > to) {
				t.Fatalf("stream %d, %d to %d", stream, from, to)
			}
			_ = ft
			buf = payload[:cap(payload)]
		}
	})
}

func TestTerminalModes(t *testing.T) {
	for name, tc := range map[string]struct{ output, restore, leave string }{
		"none":          {"plain \x1b[31mred\x1b[0m", "", ""},
		"alternate":     {"\x1b[?1049h", "\x1b[?1049h", "\x1b[?1049l"},
		"and back":      {"\x1b[?1049h\x1b[?1049l", "", ""},
		"cursor hidden": {"\x1b[?25l", "\x1b[?25l", "\x1b[?25h"},
		"several":       {"\x1b[?1000;1006;2004h", "\x1b[?1000h\x1b[?1006h\x1b[?2004h", "\x1b[?1000l\x1b[?1006l\x1b[?2004l"},
		"reset":         {"\x1b[?1049h\x1b[?25l\x1bc", "", ""},
		"unknown":       {"\x1b[?4242h\x1b[?h\x1b[?xh", "", ""},
		"never ending":  {"\x1b[?" + string(bytes.Repeat([]byte("1"), 1000)) + "h\x1b[?1h", "\x1b[?1h", "\x1b[?1l"},
		"interrupted":   {"\x1b[?10\x1b[?1h", "\x1b[?1h", "\x1b[?1l"},

		"kitty keys":               {"\x1b[>1u", "\x1b[>1u", "\x1b[<1u"},
		"kitty keys, pushed twice": {"\x1b[>1u\x1b[>5u", "\x1b[>1u\x1b[>5u", "\x1b[<2u"},
		"kitty keys, popped":       {"\x1b[>1u\x1b[<u", "", ""},
		"kitty keys, over-popped":  {"\x1b[>1u\x1b[<9u", "", ""},
		"kitty keys, set":          {"\x1b[=5u\x1b[=1;3u", "\x1b[=4;1u", "\x1b[=0;1u"},
		"kitty keys, asked":        {"\x1b[?u", "", ""},
		"kitty keys of a screen":   {"\x1b[>1u\x1b[?1049h\x1b[>3u", "\x1b[>1u\x1b[?1049h\x1b[>3u", "\x1b[<1u\x1b[?1049l\x1b[<1u"},
		"the cursor's old place":   {"\x1b[s\x1b[u", "", ""},
		"other keys":               {"\x1b[>4;2m", "\x1b[>4;2m", "\x1b[>4m"},
		"other keys, and back":     {"\x1b[>4;2m\x1b[>4m", "", ""},
		"keypad":                   {"\x1b=", "\x1b=", "\x1b>"},
		"keypad, and back":         {"\x1b=\x1b>", "", ""},
		"colour":                   {"\x1b[1;31mred", "", "\x1b[0m"},
		"colour zero":              {"\x1b[38;5;0m", "", "\x1b[0m"},
		"cursor's shape":           {"\x1b[5 q", "\x1b[5 q", "\x1b[0 q"},
		"cursor's shape, and back": {"\x1b[5 q\x1b[ q", "", ""},
		"scrolling region":         {"\x1b[3;9r", "", "\x1b7\x1b[r\x1b8"},
		"line drawing":             {"\x1b(0\x0e", "", "\x1b(B\x0f"},
		"line drawing, and back":   {"\x1b(0\x0e\x0f\x1b(B", "", ""},
		"insert mode":              {"\x1b[4h", "\x1b[4h", "\x1b[4l"},
		"background":               {"\x1b]11;#000000\x07", "", "\x1b]111\x1b\\"},
		"background, and back":     {"\x1b]11;#000000\x1b\\\x1b]111\x07", "", ""},
		"background, asked":        {"\x1b]11;?\x07", "", ""},
		"a palette's colour":       {"\x1b]4;1;#ff0000\x07", "", "\x1b]104\x1b\\"},
		"a link":                   {"\x1b]8;;http://x/" + string(bytes.Repeat([]byte("y"), 500)) + "\x07text", "", "\x1b]8;;\x1b\\"},
		"a link, closed":           {"\x1b]8;id=1;http://x\x1b\\text\x1b]8;;\x1b\\", "", ""},
		"a title":                  {"\x1b]2;\x1b[?25l\x07", "\x1b[?25l", "\x1b[?25h"}, // an escape ends it
		"a title of modes":         {"\x1b]2;[?25l\x07", "", ""},
		"a title without an end":   {"\x1b]2;" + string(bytes.Repeat([]byte("y"), 500)) + "\x18\x1b[?1h", "\x1b[?1h", "\x1b[?1l"},
		"synchronized output":      {"\x1b[?2026h", "\x1b[?2026h", "\x1b[?2026l"},
		"soft reset":               {"\x1b[?1h\x1b=\x1b[31m\x1b[5 q\x1b[!p", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var m agentrpc.TerminalModes
			_, _ = m.Write([]byte(tc.output))
			if got := string(m.Restore()); got != tc.restore {
				t.Errorf("Restore = %q, want %q", got, tc.restore)
			}
			if got := string(m.Leave()); got != tc.leave {
				t.Errorf("Leave = %q, want %q", got, tc.leave)
			}
		})
	}
}

// However output is cut into pieces, the modes are the same, and what restores
// them does so.
func TestTerminalModesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.SampledFrom([]string{
			"\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h", "\x1b[?1;2004h", "\x1b", "[", "?", "h", "text", "\x1bc", "\x1b[31m",
			"\x1b[>1u", "\x1b[>3u", "\x1b[<u", "\x1b[=1;2u", "\x1b=", "\x1b[>4;1m", "\x1b[4h", "\x1b[2 q", "\x1b]11;red\x07", "\x1b]", "\x07", "\x1b(0", "\x0e",
		})).Draw(t, "words")
		var whole, pieces, restored agentrpc.TerminalModes
		for _, w := range words {
			_, _ = pieces.Write([]byte(w))
			for i := range len(w) {
				_, _ = whole.Write([]byte(w[i : i+1]))
			}
		}
		if string(whole.Restore()) != string(pieces.Restore()) {
			t.Fatalf("%q and %q", whole.Restore(), pieces.Restore())
		}
		_, _ = restored.Write(whole.Restore())
		if string(restored.Restore()) != string(whole.Restore()) {
			t.Fatalf("restored %q, want %q", restored.Restore(), whole.Restore())
		}
		_, _ = restored.Write(whole.Leave())
		if len(restored.Restore()) != 0 {
			t.Fatalf("left %q", restored.Restore())
		}
		_, _ = whole.Write([]byte("\x07")) // an OSC may be under way
		_, _ = whole.Write(whole.Leave())
		if after := whole.Leave(); len(after) != 0 {
			t.Fatalf("left %q", after)
		}
	})
}
