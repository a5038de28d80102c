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
	what, isReserved := reserved(addr)
	if f.Local.IsValid() && !isReserved {
		what, isReserved = "the host's own network "+f.Local.String(), true
	}
	if f.Host {
		what, isReserved = "the host's loopback", true
		if !addr.IsLoopback() {
			what = "the host's own address"
		}
	}
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

// NeedsHost says whether what a TCP flow with this verdict says of its
// destination can change the verdict: whether to call CheckHost.
func (p Policy) NeedsHost(v Verdict) bool {
	if !v.Allow || v.ByName {
		return v.Allow
	}
	found := false
	p.each(func(r *Rule) bool {
		found = r.byName() && r.action == Deny
		return !found
	})
	return found
}

// CheckHost is the verdict on a TCP flow, allowed by v, once the flow said for
// which host it is (TLS SNI, HTTP Host; empty if it is TLS or HTTP and says
// none). A flow that only a rule by name allows must be for a name that the same
// rule allows, or for one of the flow's own that another does; no flow must be for
// a name that is denied.
func (p Policy) CheckHost(f Flow, v Verdict, host string) Verdict {
	if !v.Allow {
		return v
	}
	said := f
	said.Names = nil
	if host != "" {
		name, ok := hostName(host)
		if !ok {
			return Verdict{Rule: GroundInvalid}
		}
		said.Names = []string{name}
	}
	decided := p.Decide(said)
	switch {
	case !v.ByName && decided.Allow:
		return v
	case decided.Allow && !decided.ByName: // whatever its name
		return decided
	case !v.ByName || decided.ByName && !decided.Allow:
		return decided
	case host == "":
		return Verdict{Rule: GroundNoName}
	case decided.Allow && (decided.Rule == v.Rule || slices.Contains(f.Names, decided.Name)):
		return decided
	default:
		return Verdict{Rule: GroundOtherName + ": " + v.Rule, Name: said.Names[0]}
	}
}

// hostName is what a connection says of its host as rules have it. An IPv6
// address is one for which there are none.
func hostName(host string) (string, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), true
	}
	return CanonicalName(host)
}
