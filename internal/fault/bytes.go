package fault

import (
	"strconv"
	"strings"
)

// Bytes writes a number of bytes for a message: with the largest binary unit of
// which it is at least one, and at most one decimal: "2 GiB", "1.5 MiB", "17 bytes".
func Bytes(n int64) string {
	switch number, unit := Scale(n); {
	case n == 1:
		return "1 byte"
	case unit == "B":
		return number + " bytes"
	default:
		return number + " " + unit
	}
}

// Scale is a number of bytes in the largest binary unit, B to EiB, of which it is
// at least one, with at most one decimal that is not zero.
func Scale(n int64) (number, unit string) {
	value, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if value < 1024 && value > -1024 {
			break
		}
		value, unit = value/1024, u
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0"), unit
}
