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
			return nil, fault.New(fault.Invalid, "detach key %q is not known", word).WithHint("ctrl-], or ctrl-p,ctrl-q")
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

// detacher finds the keys in what is typed. What may be their beginning is
// held back until it is clear.
type detacher struct {
	keys    []byte
	matched int
}

// feed returns what to pass on of p, and whether the keys were typed.
func (d *detacher) feed(p []byte) (pass []byte, detached bool) {
	typed := append(bytes.Clone(d.keys[:d.matched]), p...)
	if at := bytes.Index(typed, d.keys); at >= 0 {
		d.matched = 0
		return typed[:at], true
	}
	d.matched = min(len(d.keys)-1, len(typed))
	for d.matched > 0 && !bytes.HasPrefix(d.keys, typed[len(typed)-d.matched:]) {
		d.matched--
	}
	return typed[:len(typed)-d.matched], false
}
