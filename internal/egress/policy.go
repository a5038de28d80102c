package egress

import (
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// The bounds of a policy. Rules of presets do not count.
const (
	MaxText  = 64 << 10 // bytes
	MaxRules = 1024
)

// Policy is an ordered list of rules and a default. The zero Policy denies all.
// A Policy is a value that never changes.
type Policy struct {
	allow bool // the default
	items []item
}

// item is one rule, or the rules of one preset.
type item struct {
	preset string
	rules  []Rule
}

// Preset is the name of the preset that the policy is, or empty.
func (p Policy) Preset() string {
	for _, name := range Presets() {
		if def := presetPolicy(name); p.allow == def.allow && slices.EqualFunc(p.items, def.items, sameItem) {
			return name
		}
	}
	return ""
}

func sameItem(a, b item) bool {
	if a.preset != "" || b.preset != "" {
		return a.preset == b.preset
	}
	return a.rules[0].equal(b.rules[0])
}

// String is the policy's canonical text: that of a preset is the preset's name.
// Parse gives the same policy back.
func (p Policy) String() string {
	if name := p.Preset(); name != "" {
		return name
	}
	var out strings.Builder
	out.WriteString(p.defaultText())
	for _, it := range p.items {
		out.WriteByte('\n')
		if it.preset != "" {
			out.WriteString("preset " + it.preset)
			continue
		}
		out.WriteString(it.rules[0].String())
	}
	return out.String()
}

func (p Policy) defaultText() string {
	if p.allow {
		return "default allow"
	}
	return "default deny"
}

// With is the policy with rules put before its own, the first of them first.
// Rules of the policy for the very same traffic that could no longer match, as they do not
// last longer, are left out. The result may be beyond the bounds: Parse of its text says so.
func (p Policy) With(rules ...Rule) Policy {
	out := Policy{allow: p.allow}
	for _, rule := range rules {
		if !out.has(rule) {
			out.items = append(out.items, item{rules: []Rule{rule}})
		}
	}
	for _, it := range p.items {
		if it.preset != "" || !out.has(it.rules[0]) {
			out.items = append(out.items, it)
		}
	}
	return out
}

// Without is the policy without one of its own rules, as an equal rule is written.
// The fault is NotFound if it has none such, Conflict if the rule is a preset's.
func (p Policy) Without(rule Rule) (Policy, error) {
	out := Policy{allow: p.allow}
	preset := ""
	for _, it := range p.items {
		switch {
		case it.preset != "" && slices.ContainsFunc(it.rules, rule.equal):
			preset = it.preset
		case it.preset == "" && it.rules[0].equal(rule):
			continue
		}
		out.items = append(out.items, it)
	}
	switch {
	case len(out.items) < len(p.items):
		return out, nil
	case preset != "":
		return p, fault.New(fault.Conflict, "the rule %q is part of the preset %s", rule, preset).
			WithHint("put a rule before it: deny %s", rule.target)
	default:
		return p, fault.New(fault.NotFound, "the policy has no rule %q", rule)
	}
}

// has says whether one of the policy's own rules is for the same traffic, for as long.
func (p Policy) has(rule Rule) bool {
	return slices.ContainsFunc(p.items, func(it item) bool {
		return it.preset == "" && it.rules[0].sameTraffic(rule) && it.rules[0].outlasts(rule)
	})
}

// each calls f with the rules in their order until it returns false.
func (p Policy) each(f func(*Rule) bool) {
	for _, it := range p.items {
		for i := range it.rules {
			if !f(&it.rules[i]) {
				return
			}
		}
	}
}
