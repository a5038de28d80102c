package egress

import "reflect"

// RulesOf are all rules of a policy, those of its presets too.
func RulesOf(p Policy) []Rule {
	var out []Rule
	p.each(func(r *Rule) bool { out = append(out, *r); return true })
	return out
}

// Same says whether two policies are equal, not only in their text.
func Same(a, b Policy) bool {
	return a.allow == b.allow && len(a.items) == len(b.items) && reflect.DeepEqual(RulesOf(a), RulesOf(b))
}
