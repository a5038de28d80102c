package egress

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// The bounds of a domain name and of one label, in bytes (RFC 1035, 2.3.4).
const (
	maxName  = 253
	maxLabel = 63
)

// CanonicalName is a domain name in lower case without its last dot; false if it
// is none that a rule could be for: letters, digits, hyphens and underscores in
// labels. It may be the text of an IPv4 address.
func CanonicalName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxName {
		return "", false
	}
	label := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return "", false
		}
		if label++; label > maxLabel {
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	return strings.ToLower(name), true
}

// parseName reads the domain name of a rule.
func parseName(text string) (string, error) {
	name, ok := CanonicalName(text)
	if !ok {
		return "", fault.New(fault.Invalid, "%q is not a domain name, an address or a prefix", text).WithHint("%s", nameHint(text))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "", fault.New(fault.Invalid, "%q is not a domain name: %q begins or ends with a hyphen", text, label).WithHint("%s", nameHint(""))
		}
	}
	if isNumber(labels[len(labels)-1]) {
		// Programs would take it for an address, each in its own way.
		return "", fault.New(fault.Invalid, "%q is neither a domain name nor an address in its usual form", text).
			WithHint("write an address as 203.0.113.5 or 2001:db8::5, a prefix as 203.0.113.0/24")
	}
	return name, nil
}

func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func nameHint(text string) string {
	switch {
	case strings.Contains(text, "://"):
		return "write the host alone, with its port: github.com:443"
	case strings.Contains(text, "*"):
		return `a "*" can only be the part before the first dot: *.example.org`
	case strings.Contains(text, ":"):
		return "a port comes after the name: github.com tcp/443"
	case strings.ContainsFunc(text, func(r rune) bool { return r > 127 }):
		return "write an international name in its ASCII form: xn--…"
	default:
		return "write a name as github.com, or *.github.com for those below it"
	}
}
