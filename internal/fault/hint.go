package fault

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/plain"
)

// MaxHintParts bounds the parts of a hint that is stored or sent.
const MaxHintParts = 16

// Hint is what to do next: text and acts, in the order in which they are read.
type Hint []HintPart

// HintPart is text, or an act that a door words in its own terms.
type HintPart struct {
	Text string   `json:"text,omitempty"`
	Act  *act.Act `json:"act,omitempty"`
}

// Hintf makes a hint by a format. An argument that is an act.Act or a Hint stays one.
// Widths and precisions are not taken from arguments.
func Hintf(format string, args ...any) Hint {
	var inlays []Hint
	marked := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case act.Act:
			marked[i], inlays = inlay(len(inlays)), append(inlays, Hint{{Act: &arg}})
		case Hint:
			marked[i], inlays = inlay(len(inlays)), append(inlays, arg)
		default:
			marked[i] = outer{arg}
		}
	}
	if len(inlays) == 0 {
		return textHint(fmt.Sprintf(format, args...))
	}
	var hint Hint
	for i, piece := range strings.Split(fmt.Sprintf(format, marked...), mark) {
		if i > 0 {
			hint = append(hint, inlays[piece[0]-1]...)
			piece = piece[1:]
		}
		hint = append(hint, textHint(piece)...)
	}
	return hint
}

// Meant is the hint for a name that is not known: near, which may be empty, was meant
// probably, and list shows all.
func Meant(near string, list act.Act) Hint {
	if near == "" {
		return Hintf("%s", list)
	}
	return Hintf("did you mean %s? To list all: %s", near, list)
}

func textHint(text string) Hint {
	if text == "" {
		return nil
	}
	return Hint{{Text: text}}
}

// mark stands before the byte that is the number of an inlay, counted from 1. No other
// argument brings one.
const mark = "\x00"

// inlay is the number of an act or a hint among the arguments of a format.
type inlay byte

// Format writes where the inlay stands.
func (n inlay) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte{mark[0], byte(n) + 1}) }

// outer is any other argument.
type outer struct{ value any }

// Format writes the value without marks.
func (o outer) Format(state fmt.State, verb rune) {
	text := fmt.Sprintf(fmt.FormatString(state, verb), o.value)
	_, _ = fmt.Fprint(state, strings.ReplaceAll(text, mark, ""))
}

// Advise gives the fault in err's chain a hint, unless err has one. It returns err.
func Advise(err error, format string, args ...any) error {
	if f, ok := errors.AsType[*Error](err); ok && len(HintOf(err)) == 0 {
		f.Hint = Hintf(format, args...)
	}
	return err
}

// Word returns the hint as text, with each act as word words it.
func (h Hint) Word(word func(act.Act) string) string {
	var b strings.Builder
	for _, part := range h {
		b.WriteString(part.Text)
		if part.Act != nil {
			b.WriteString(word(*part.Act))
		}
	}
	return b.String()
}

// String is the hint in words of no door.
func (h Hint) String() string { return h.Word(act.Act.String) }

// Acts returns the hint's acts.
func (h Hint) Acts() []act.Act {
	var acts []act.Act
	for _, part := range h {
		if part.Act != nil {
			acts = append(acts, *part.Act)
		}
	}
	return acts
}

// Clip cuts a hint that is longer than MaxText or MaxHintParts.
func (h Hint) Clip() Hint {
	if len(h) > MaxHintParts {
		h = h[:MaxHintParts]
	}
	left := MaxText
	for i, part := range h {
		size := len(Hint{part}.String())
		if size <= left {
			left -= size
			continue
		}
		clipped := h[:i:i]
		if part.Act == nil {
			clipped = append(clipped, HintPart{Text: plain.Clip(part.Text, left)})
		}
		return clipped
	}
	return h
}

// Wire returns the hint as the wire carries it: as text for everyone, and in parts for
// whoever words acts. There are no parts where there are no acts.
func (h Hint) Wire() (text string, parts Hint) {
	h = h.Clip()
	if len(h.Acts()) == 0 {
		return h.String(), nil
	}
	return h.String(), h
}

// FromWire is the hint that Wire gave.
func FromWire(text string, parts Hint) Hint {
	if len(parts) > 0 {
		return parts.Clip()
	}
	return textHint(Clip(text))
}

// HintOf returns the first hint in err's chain.
func HintOf(err error) Hint {
	for err != nil {
		f, ok := errors.AsType[*Error](err)
		if !ok {
			return nil
		}
		if len(f.Hint) > 0 {
			return f.Hint
		}
		err = f.Cause
	}
	return nil
}
