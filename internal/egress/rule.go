package egress

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Rule allows or denies traffic to a target.
type Rule struct {
	action   Action
	target   target
	protocol Protocol // empty: all of them
	ports    []portRange
	until    time.Time // in whole seconds, UTC; zero: for good
}

// kind is what a target is.
type kind string

const (
	anyTarget    kind = "any"
	hostTarget   kind = "host"
	nameTarget   kind = "name"  // a domain name itself
	belowTarget  kind = "below" // the names below it
	prefixTarget kind = "prefix"
)

type target struct {
	kind   kind
	name   string
	prefix netip.Prefix
}

// String is the rule's canonical text, which ParseRule takes.
func (r Rule) String() string {
	words := []string{string(r.action), r.target.String()}
	// What the absence of a protocol means is not said.
	if r.protocol != "" && (len(r.ports) > 0 || r.protocol != r.implied()) {
		words = append(words, string(r.protocol)+portsText(r.ports))
	}
	if !r.until.IsZero() {
		words = append(words, untilWord, r.until.Format(time.RFC3339))
	}
	return strings.Join(words, " ")
}

func (t target) String() string {
	switch t.kind {
	case nameTarget:
		return t.name
	case belowTarget:
		return "*." + t.name
	case prefixTarget:
		if t.prefix.IsSingleIP() {
			return t.prefix.Addr().String()
		}
		return t.prefix.String()
	default:
		return string(t.kind)
	}
}

// implied is the protocol of a rule that names none.
func (r Rule) implied() Protocol {
	if r.byName() && r.action == Allow {
		return TCP
	}
	return ""
}

func (r Rule) byName() bool {
	return r.target.kind == nameTarget || r.target.kind == belowTarget
}

// whole says that the rule is for all that could go to its target.
func (r Rule) whole() bool { return r.protocol == "" }

func (r Rule) equal(other Rule) bool {
	return r.action == other.action && r.until.Equal(other.until) && r.sameTraffic(other)
}

func (r Rule) sameTraffic(other Rule) bool {
	return r.target == other.target && r.protocol == other.protocol && slices.Equal(r.ports, other.ports)
}

// matchesService says whether protocol and port are the rule's.
func (r Rule) matchesService(protocol Protocol, port uint16) bool {
	if r.protocol != "" && r.protocol != protocol {
		return false
	}
	return len(r.ports) == 0 || slices.ContainsFunc(r.ports, func(p portRange) bool { return p.first <= port && port <= p.last })
}

// matchesName says whether the rule is by name and for this one.
func (r Rule) matchesName(name string) bool {
	switch r.target.kind {
	case nameTarget:
		return name == r.target.name
	case belowTarget:
		below, ok := strings.CutSuffix(name, r.target.name)
		return ok && len(below) > 1 && strings.HasSuffix(below, ".")
	default:
		return false
	}
}
