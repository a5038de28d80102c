package image

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

const maxNameLength = 128

// idLength is how many hexadecimal digits an image's id has.
const idLength = 12

// ValidateName returns a fault Invalid unless name is an image name: up to 128
// lower-case letters, digits, dots, underscores and dashes, with a letter or
// digit at both ends, that do not look like an image's id.
func ValidateName(name string) error {
	ok := name != "" && len(name) <= maxNameLength && isAlnum(name[0]) && isAlnum(name[len(name)-1])
	for _, c := range []byte(name) {
		ok = ok && (isAlnum(c) || c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fault.New(fault.Invalid, "%q is not an image name", name).
			WithHint("use up to %d lower-case letters, digits, dots, underscores and dashes, with a letter or digit at both ends", maxNameLength)
	}
	if len(name) >= idLength && strings.Trim(name, "0123456789abcdef") == "" {
		return fault.New(fault.Invalid, "%q is not an image name: it looks like an ID", name).WithHint("choose another name")
	}
	return nil
}

// sanitizeName makes what a name allows of s.
func sanitizeName(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 128 && isAlnum(byte(r)) || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	return strings.Trim(clean, "-._")
}
