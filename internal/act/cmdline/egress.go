package cmdline

import (
	"strings"
	"time"
)

// Egress words the addition of a rule ("allow github.com tcp/22") to the policy of a VM: for
// good, for a time if there is one, or for always. Without a target it has the word for one.
func Egress(vm, rule string, length time.Duration, always bool) string {
	words := strings.Fields(rule)
	action, target := "allow", words
	if len(words) > 0 && (words[0] == "allow" || words[0] == "deny") {
		action, target = words[0], words[1:]
	}
	line := Typed(append([]string{"vm", "egress", action, vm}, target...)...)
	if len(target) == 0 {
		line += " TARGET"
	}
	switch {
	case length > 0:
		return line + " --for " + strings.TrimSuffix(length.String(), "0s")
	case always:
		return line + " --always"
	default:
		return line
	}
}
