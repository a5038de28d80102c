package cli

import (
	"bytes"
	"strconv"
)

// typedKey is one key press, or another piece that a terminal sends as a whole.
type typedKey struct {
	raw []byte // what of it was not passed on yet
	// legacy is the byte that stood for it before keyboard protocols, or -1: no
	// key by which one detaches.
	legacy int
	// silent is what comes between the presses of a sequence of keys and does not
	// interrupt it: a key that is released, or a modifier that is pressed.
	silent bool
}

// maxTyped bounds an escape sequence of a terminal, in bytes.
const maxTyped = 128

// keyReader takes what a terminal sends apart, however reads have cut it. The
// zero value is ready.
type keyReader struct {
	seq    []byte // an unfinished escape sequence
	passed int    // how much of it was passed on
	paste  bool   // within a bracketed paste, where nothing is a key
}

const esc = 0x1b

// take adds one byte and returns the keys that it completes.
func (r *keyReader) take(b byte) []typedKey {
	switch n := len(r.seq); {
	case n == 0 && b != esc:
		return []typedKey{r.plain(b)}
	case n == 0:
		r.seq = append(r.seq, b)
		return nil
	case n == 1 && (b == '[' || b == 'O'):
		r.seq = append(r.seq, b)
		return nil
	case n == 1, b < ' ': // an escape by itself, or a sequence that was broken off
		return append([]typedKey{r.finish()}, r.take(b)...)
	}
	r.seq = append(r.seq, b)
	if r.seq[1] == 'O' || b >= 0x40 && b <= 0x7e || len(r.seq) == maxTyped {
		return []typedKey{r.finish()}
	}
	return nil
}

func (r *keyReader) plain(b byte) typedKey {
	k := typedKey{raw: []byte{b}, legacy: int(b)}
	if r.paste {
		k.legacy = -1
	}
	return k
}

// unpassed is what of an unfinished sequence was not passed on.
func (r *keyReader) unpassed() []byte { return r.seq[r.passed:] }

// pass says that it was. The sequence goes on nevertheless.
func (r *keyReader) pass() { r.passed = len(r.seq) }

// finish ends the sequence.
func (r *keyReader) finish() typedKey {
	k := typedKey{raw: bytes.Clone(r.unpassed()), legacy: -1}
	switch text := string(r.seq); {
	case text == "\x1b[200~":
		r.paste = true
	case text == "\x1b[201~":
		r.paste = false
	case r.paste:
	case text == "\x1b":
		k.legacy = esc
	case len(text) > 3:
		k.legacy, k.silent = protocolKey(text[2:len(text)-1], text[len(text)-1])
	}
	r.seq, r.passed = r.seq[:0], 0
	return k
}

// protocolKey reads a key as Kitty's protocol has it ("code:shifted:base;
// modifiers:event;text u"), or xterm's modifyOtherKeys in either of its forms
// ("27;modifiers;code ~", "code;modifiers u").
func protocolKey(body string, final byte) (legacy int, silent bool) {
	params := bytes.Split([]byte(body), []byte(";"))
	switch {
	case final == 'u':
	case final == '~' && len(params) == 3 && string(params[0]) == "27":
		params = [][]byte{params[2], params[1]}
	default:
		return -1, false
	}
	var modifiers, event int
	if len(params) > 1 {
		modifiers, event = field(params[1], 0, 1)-1, field(params[1], 1, 1)
	}
	const firstModifier, lastModifier, released = 57441, 57454, 3
	code := field(params[0], 0, -1)
	if event == released || code >= firstModifier && code <= lastModifier {
		return -1, true
	}
	return legacyOf(code, field(params[0], 1, -1), field(params[0], 2, -1), modifiers), false
}

// legacyOf is the byte that a key sent before: with control, or by itself. base
// is the key's place on a keyboard of the usual layout.
func legacyOf(code, shifted, base, modifiers int) int {
	const shift, control, locks = 1, 4, 64 | 128
	const ascii = 0x7f
	modifiers &^= locks
	if modifiers&shift != 0 && shifted < 0 && !isLetter(code) {
		shifted = code // modifyOtherKeys names the character
	}
	switch {
	case modifiers&shift != 0:
		code = shifted
	case code > ascii && base > 0:
		code = base
	}
	plain := code > ' ' && code < ascii
	switch modifiers &^ shift {
	case 0:
		if plain || code == esc {
			return code
		}
	case control:
		switch {
		case isLetter(code) && modifiers&shift != 0:
			return -1 // another key than without shift
		case code == ' ':
			return 0
		case isLetter(code), code >= '@' && code <= '_':
			return code & 0x1f
		}
	}
	return -1
}

func isLetter(code int) bool { return code|0x20 >= 'a' && code|0x20 <= 'z' && code < 0x80 }

// field is a number between colons, or otherwise.
func field(param []byte, at, otherwise int) int {
	fields := bytes.Split(param, []byte(":"))
	if at >= len(fields) {
		return otherwise
	}
	if n, err := strconv.Atoi(string(fields[at])); err == nil {
		return n
	}
	return otherwise
}
