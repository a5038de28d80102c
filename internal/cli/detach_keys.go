package cli

import (
	"bytes"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// parseKeys reads keys such as "ctrl-]" or "ctrl-p,ctrl-q" or "~,." into the
// bytes that a terminal sends for them.
func parseKeys(text string) ([]byte, error) {
	var keys []byte
	for word := range strings.SplitSeq(text, ",") {
		name, ctrl := strings.CutPrefix(strings.ToLower(strings.TrimSpace(word)), "ctrl-")
		switch {
		case ctrl && len(name) == 1 && (name[0] >= 'a' && name[0] <= 'z' || strings.Contains(`@[\]^_`, name)):
			keys = append(keys, strings.ToUpper(name)[0]&0x1f)
		case !ctrl && len(word) == 1 && word[0] > ' ' && word[0] < 0x7f:
			keys = append(keys, word[0])
		default:
			return nil, fault.New(fault.Invalid, "unknown detach key %q", word).WithHint("use keys such as ctrl-] or ctrl-p,ctrl-q")
		}
	}
	return keys, nil
}

// detachKeys are the keys by which to leave a terminal, and their names: those
// given, or the configured ones.
func detachKeys(given string) ([]byte, string, error) {
	if given == "" {
		cfg, _, err := loadConfig()
		if err != nil {
			return nil, "", err
		}
		given = cfg.DetachKeys
	}
	keys, err := parseKeys(given)
	return keys, strings.ReplaceAll(given, ",", " "), err
}

// detacher finds the keys in what is typed, whichever keyboard protocol the
// program in the guest has asked for. What may be their beginning is held back
// until it is clear.
type detacher struct {
	keys []byte // as a terminal without such a protocol sends them
	in   keyReader
	held []typedKey // the beginning of the keys, perhaps
}

// feed returns what to pass on of p, and whether the keys were typed.
func (d *detacher) feed(p []byte) (pass []byte, detached bool) {
	for _, b := range p {
		if pass, detached = d.weigh(pass, d.in.take(b)); detached {
			return pass, true
		}
	}
	if d.in.paste {
		pass = d.giveUp(pass)
	}
	return pass, false
}

// unclear reports whether an escape sequence is held back, whose rest must come
// soon: by itself, it is the escape key.
func (d *detacher) unclear() bool { return len(d.in.unpassed()) > 0 }

// expire returns what was unclear, after its rest has not come.
func (d *detacher) expire() (pass []byte, detached bool) {
	if string(d.in.seq) == "\x1b" && bytes.IndexByte(d.keys, esc) >= 0 {
		return d.weigh(nil, []typedKey{d.in.finish()})
	}
	return d.giveUp(nil), false
}

// giveUp passes on an unfinished sequence, and what is held before it.
func (d *detacher) giveUp(pass []byte) []byte {
	for _, k := range d.held {
		pass = append(pass, k.raw...)
	}
	d.held = nil
	pass = append(pass, d.in.unpassed()...)
	d.in.pass()
	return pass
}

// weigh adds keys to those held back, and passes on what cannot be the beginning.
func (d *detacher) weigh(pass []byte, keys []typedKey) (_ []byte, detached bool) {
	for _, k := range keys {
		d.held = append(d.held, k)
		for len(d.held) > 0 {
			matched, ok := d.matched()
			if ok && matched == len(d.keys) {
				d.held = nil
				return pass, true
			}
			if ok {
				break
			}
			pass = append(pass, d.held[0].raw...)
			d.held = d.held[1:]
		}
	}
	return pass, false
}

// matched reports whether what is held back begins the keys, and how many it has.
func (d *detacher) matched() (n int, ok bool) {
	for i, k := range d.held {
		switch {
		case k.silent && i > 0:
		case n < len(d.keys) && k.legacy == int(d.keys[n]):
			n++
		default:
			return n, false
		}
	}
	return n, true
}
