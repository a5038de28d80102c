package egress

import (
	"net/netip"
	"slices"
)

// Speech is what a TCP client speaks, as far as it bears on whom it speaks to.
type Speech string

// The kinds of speech.
const (
	// Sound is TLS or HTTP/1, said so that all servers take it for the same hosts.
	Sound Speech = "sound"
	// Unsound is what some server could take for TLS or HTTP, for whatever host.
	Unsound Speech = "unsound"
	// Words are a line of words, as of HTTP and of many other protocols.
	Words Speech = "words"
	// Unknown is nothing of these.
	Unknown Speech = "unknown"
	// Foreign is a protocol that is known, and neither TLS nor HTTP.
	Foreign Speech = "foreign"
	// SSH is Foreign; people serve it at TLS's port.
	SSH Speech = "ssh"
	// Greeted is Words or Unknown to a server that spoke first, as those of TLS and
	// HTTP do not.
	Greeted Speech = "greeted"
)

// Said is what a connection says of its destination.
type Said struct {
	Speech Speech
	// Hosts are all that it names (TLS SNI, HTTP Host and target): domain names in
	// lower case without the last dot, or addresses. Only Sound and Foreign speech
	// names any; none: it names none.
	Hosts []string
	// Why says, for Unsound, what is wrong with it.
	Why string
}

const (
	httpPort  = 80
	httpsPort = 443
)

// NeedsHost says whether what a TCP flow with this verdict says of its
// destination can change the verdict: whether to call CheckHost.
func (p Policy) NeedsHost(f Flow, v Verdict) bool {
	if !v.Allow {
		return false
	}
	addr := f.Addr.Addr().Unmap().WithZone("")
	_, isReserved := f.reserved(addr)
	nameless, found := p.allow, false
	p.each(func(r *Rule) bool {
		if !r.matchesService(f.Protocol, f.Addr.Port()) {
			return true
		}
		if r.byName() {
			found = r.action == Deny // any connection could be for its name
			return !found
		}
		if _, ok := r.matchesFlow(f, addr); !ok || isReserved && r.action == Allow && !r.opens(f) {
			return true
		}
		nameless = r.action == Allow
		return false
	})
	return found || !nameless
}

// CheckHost is the verdict on a TCP flow, allowed by v, for which NeedsHost is
// true, once it said for which hosts it is. A flow that only a rule by name allows
// must be for a name that the same rule allows, or for one of the flow's own that
// another does; no flow must be for a name that is denied; and what nobody can tell
// is denied, in protocols that name a host.
func (p Policy) CheckHost(f Flow, v Verdict, said Said) Verdict {
	if !v.Allow {
		return v
	}
	if !said.told(f.Addr.Port(), v.ByName) {
		return Verdict{Rule: GroundUnclear}
	}
	if said.Speech != Sound && len(said.Hosts) == 0 {
		return v
	}
	if len(said.Hosts) == 0 {
		return p.checkHost(f, v, "")
	}
	out := v
	for _, host := range said.Hosts {
		if out = p.checkHost(f, v, host); !out.Allow {
			break
		}
	}
	return out
}

// told says whether the speech tells its hosts, or is of a protocol that names
// none. At the ports of the web all else is none that belongs there.
func (s Said) told(port uint16, byName bool) bool {
	if port == httpPort || port == httpsPort {
		return s.Speech == Sound || s.Speech == SSH && port == httpsPort
	}
	switch s.Speech {
	case Sound, Foreign, SSH, Greeted:
		return true
	case Unknown:
		return !byName
	default:
		return false
	}
}

// checkHost is CheckHost for one host; empty: it is TLS or HTTP and names none.
func (p Policy) checkHost(f Flow, v Verdict, host string) Verdict {
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
