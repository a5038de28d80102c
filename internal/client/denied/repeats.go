package denied

import (
	"strconv"
	"strings"
)

// Repeats says how many denials a record's reason says that it stands for, and the reason
// without that: the log has one that comes again within a second as "3 more times".
func Repeats(reason string) (ground string, times int) {
	before, last := "", reason
	if at := strings.LastIndex(reason, "; "); at >= 0 {
		before, last = reason[:at], reason[at+2:]
	}
	count, ok := strings.CutSuffix(strings.TrimSuffix(last, "s"), " more time")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 {
		return reason, 1
	}
	return before, n
}
