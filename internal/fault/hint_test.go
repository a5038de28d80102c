package fault_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

func hints() map[string]fault.Hint {
	start, logs := act.VMStart.On("web"), act.VMLogs.On("web")
	return map[string]fault.Hint{
		"":                                 nil,
		"wait 3 s":                         fault.Hintf("wait %d s", 3),
		"<vm start web>":                   fault.New(fault.Conflict, "x").Try(start).Hint,
		"<vm start web>, or <vm logs web>": fault.New(fault.Conflict, "x").Try(start, logs).Hint,
		"free  1.5 GiB, then <vm start web>; see <vm logs web>": fault.Hintf("free %4.1f GiB, then %s; see %s", 1.5, start, logs),
		"first: <vm start web>!":                                fault.Hintf("first: %s", fault.Hintf("%s!", start)),
		// What comes from outside makes no act.
		"0\x01 <vm start web>": fault.Hintf("%s %s", "\x000\x00\x01", start),
		"[0 1] <vm start web>": fault.Hintf("%v %s", []string{"\x000", "1"}, start),
	}
}

func angled(a act.Act) string { return "<" + a.String() + ">" }

func TestHintf(t *testing.T) {
	for want, hint := range hints() {
		if got := hint.Word(angled); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A hint goes over the wire whole, and an old reader of it has a text.
func TestWire(t *testing.T) {
	for _, hint := range hints() {
		text, parts := hint.Wire()
		if text != hint.String() || (len(parts) > 0) != (len(hint.Acts()) > 0) {
			t.Errorf("%q: the text %q, the parts %v", hint, text, parts)
		}
		data, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		var read fault.Hint
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		if got := fault.FromWire(text, read); !reflect.DeepEqual(got, hint) {
			t.Errorf("%q became %q", hint, got)
		}
	}
}

func TestClipHint(t *testing.T) {
	long := strings.Repeat("€", fault.MaxText)
	for name, hint := range map[string]fault.Hint{
		"text":     fault.Hintf("%s", long),
		"act":      fault.Hintf("do %s", act.VMStart.On(long)),
		"rest":     fault.Hintf("%s, or %s", act.VMStart.On("web"), long),
		"parts":    fault.New(fault.Conflict, "x").Try(make([]act.Act, 1000)...).Hint,
		"of both":  fault.Hintf("%s %s %s", long, act.VMStart.On("web"), long),
		"brimful":  fault.Hintf("%s%s", strings.Repeat("x", fault.MaxText), act.VMStart.On("web")),
		"brimful2": fault.Hintf("%s%s", act.VMStart.On(""), strings.Repeat("x", fault.MaxText)),
	} {
		got := hint.Clip()
		if len(got.String()) > fault.MaxText || len(got) > fault.MaxHintParts || len(got) == 0 {
			t.Errorf("%s: %d bytes in %d parts", name, len(got.String()), len(got))
		}
		if text, parts := hint.Wire(); len(text) > fault.MaxText || len(parts) > fault.MaxHintParts {
			t.Errorf("%s on the wire: %d bytes, and %d parts", name, len(text), len(parts))
		}
		if got := fault.FromWire(hint.String(), hint); len(got.String()) > fault.MaxText || len(got) > fault.MaxHintParts {
			t.Errorf("%s from the wire: %d bytes in %d parts", name, len(got.String()), len(got))
		}
	}
}

func TestClipKeepsAShortHint(t *testing.T) {
	for _, hint := range hints() {
		if got := hint.Clip(); !reflect.DeepEqual(got, hint) {
			t.Errorf("%q became %q", hint, got)
		}
	}
}
