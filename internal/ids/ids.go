// Package ids makes the random names that distinguish records, staged files and
// secrets.
package ids

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// Len is the length of an id that New makes.
const Len = 16

// New makes the id of a record: Len lower-case hex digits.
func New() string { return Hex(Len / 2) }

// Hex returns n random bytes, from the system's secure source, as 2n lower-case
// hex digits.
func Hex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

// Like reports whether text has the form of what New makes.
func Like(text string) bool {
	return len(text) == Len && strings.Trim(text, "0123456789abcdef") == ""
}
