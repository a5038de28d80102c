package egress

import (
	"net/netip"
	"slices"
)

// Built-in grounds of a verdict: what Verdict.Rule begins with if no rule and no
// default decided.
const (
	// GroundReserved is followed by which range it is.
	GroundReserved = "reserved"
	// GroundNoName: a connection that was allowed by name does not say its name.
	GroundNoName = "no name in the connection"
	// GroundOtherName is followed by the rule: a connection that was allowed by
	// name says another one.
	GroundOtherName = "other name in the connection"
	// GroundUnclear: a connection whose name matters says it so that servers could
	// differ about it, or in a protocol that is not known.
	GroundUnclear = "unclear destination"
	// GroundInvalid: what was asked is no address or name.
	GroundInvalid = "invalid"
)

// Decide says whether the guest may begin a flow. The first rule that matches
// the flow (by any of its names) decides, then the default; a reserved address is
// allowed only by a rule that names it.
func (p Policy) Decide(f Flow) Verdict {
	addr := f.Addr.Addr().Unmap().WithZone("")
	if !addr.IsValid() || f.Protocol != TCP && f.Protocol != UDP && f.Protocol != ICMP {
		return Verdict{Rule: GroundInvalid}
	}
	what, isReserved := f.reserved(addr)
	var out Verdict
	p.each(func(r *Rule) bool {
		if !r.matchesService(f.Protocol, f.Addr.Port()) {
			return true
		}
		name, ok := r.matchesFlow(f, addr)
		if !ok || isReserved && r.action == Allow && !r.opens(f) {
			return true
		}
		out = Verdict{Allow: r.action == Allow, Rule: r.String(), Name: name, ByName: r.byName()}
		return false
	})
	switch {
	case out.Rule != "":
		return out
	case isReserved:
		return Verdict{Rule: GroundReserved + ": " + what}
	default:
		return Verdict{Allow: p.allow, Rule: p.defaultText()}
	}
}

// reserved says what the flow's address is if only a rule that names it opens it.
func (f Flow) reserved(addr netip.Addr) (what string, ok bool) {
	switch {
	case f.Host && addr.IsLoopback():
		return "the host's loopback", true
	case f.Host:
		return "the host's own address", true
	}
	if what, ok = reserved(addr); !ok && f.Local.IsValid() {
		return "the host's own network " + f.Local.String(), true
	}
	return what, ok
}

// Tells says whether the guest may learn an address from an answer: a public one,
// or one that a rule opens by naming it.
func (p Policy) Tells(addr netip.Addr) Verdict {
	addr = addr.Unmap().WithZone("")
	what, isReserved := reserved(addr)
	if !isReserved {
		return Verdict{Allow: true, Rule: p.defaultText()}
	}
	out := Verdict{Rule: GroundReserved + ": " + what}
	p.each(func(r *Rule) bool {
		opens := r.action == Allow && (r.target.kind == prefixTarget && opensReserved(r.target.prefix) && r.target.prefix.Contains(addr) ||
			r.target.kind == hostTarget && addr.IsLoopback())
		if opens {
			out = Verdict{Allow: true, Rule: r.String()}
		}
		return !opens
	})
	return out
}

// opens says whether the rule names reserved addresses as such.
func (r Rule) opens(f Flow) bool {
	if r.target.kind != prefixTarget {
		return r.target.kind == hostTarget
	}
	return opensReserved(r.target.prefix) || f.Local.IsValid() && r.target.prefix.Bits() >= f.Local.Bits()
}

// matchesFlow says whether the flow's destination is the rule's target, and by
// which of its names.
func (r Rule) matchesFlow(f Flow, addr netip.Addr) (name string, ok bool) {
	switch r.target.kind {
	case anyTarget:
		return "", true
	case hostTarget:
		return "", f.Host
	case prefixTarget:
		// What is denied is denied however it is written; what is allowed is
		// allowed as it is written.
		return "", r.target.prefix.Contains(addr) || r.action == Deny && slices.ContainsFunc(embedded(addr), r.target.prefix.Contains)
	default:
		i := slices.IndexFunc(f.Names, r.matchesName)
		if i < 0 {
			return "", false
		}
		return f.Names[i], true
	}
}

// Resolves says whether the guest may ask for a name at all: whether something
// about it could be allowed. The name may be in any case, with a last dot.
func (p Policy) Resolves(name string) Verdict {
	name, ok := CanonicalName(name)
	if !ok {
		return Verdict{Rule: GroundInvalid}
	}
	var out Verdict
	p.each(func(r *Rule) bool {
		named := r.matchesName(name)
		// A rule that denies only some of the traffic leaves a use for the name.
		if !named && !r.all() || r.action == Deny && !r.whole() {
			return true
		}
		out = Verdict{Allow: r.action == Allow, Rule: r.String(), ByName: named}
		if named {
			out.Name = name
		}
		return false
	})
	if out.Rule == "" {
		return Verdict{Allow: p.allow, Rule: p.defaultText()}
	}
	return out
}

// all says whether the rule is for every public address, of one family at least,
// if it allows; for all of them, if it denies.
func (r Rule) all() bool {
	return r.target.kind == anyTarget || r.action == Allow && r.target.kind == prefixTarget && r.target.prefix.Bits() == 0
}
