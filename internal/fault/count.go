package fault

import "strconv"

// Count writes a number of things for a message: "1 VM", "2 VMs". The plural of
// one, which is one thing, is made with an s.
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
