package egress

// Default is what becomes of what no rule matches.
func (p Policy) Default() Action {
	if p.allow {
		return Allow
	}
	return Deny
}

// Rules are the texts of all rules in their order, those of presets too.
func (p Policy) Rules() []string {
	all := []string{}
	p.each(func(r *Rule) bool {
		all = append(all, r.String())
		return true
	})
	return all
}
