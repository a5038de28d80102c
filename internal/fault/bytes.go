package fault

import (
	"strconv"
	"strings"
)

// Bytes writes a number of bytes for a message: with the largest binary unit of
// which it is at least one, and at most one decimal: "2 GiB", "1.5 MiB", "17 bytes".
func Bytes(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	value, unit := float64(n), "bytes"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if value < 1024 && value > -1024 {
			break
		}
		value, unit = value/1024, u
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + unit
}
