package egress

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// NewRule is the rule with this action, allow or deny, for a target and, if there
// is more, a PROTOCOL[/PORTS]. The fault is Invalid.
func NewRule(action, target string, more ...string) (Rule, error) {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return Rule{}, fault.New(fault.Invalid, "%q is a URL, but a rule needs a host", target).WithHint("use the host name: %s", name)
	}
	return ParseRule(strings.Join(append([]string{action, target}, more...), " "))
}
