// Package denied judges, for every door, what a record of an egress log says was denied: which
// rule to propose, and whether a rule that was typed allows it. The decision is package
// egress's; this package takes it from the wire.
package denied

import (
	"net/netip"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// Denial is what a VM was denied. The zero Denial was nothing.
type Denial struct{ of egress.Denial }

// Of is what a record says; false: it is of nothing that was denied.
func Of(r api.EgressRecord) (Denial, bool) {
	name := firstOf(r.Name, r.Said, r.Asked)
	switch r.Event {
	case "dns":
		return Denial{egress.Denial{Lookup: true, Name: name}}, name != ""
	case "deny":
		addr, err := netip.ParseAddr(r.Address)
		if err != nil || r.Port < 0 || r.Port > 1<<16-1 {
			return Denial{}, false
		}
		return Denial{egress.Denial{
			Name: name, Protocol: egress.Protocol(r.Protocol), Addr: netip.AddrPortFrom(addr, uint16(r.Port)),
			Host: strings.HasPrefix(r.Rule, egress.GroundReserved+": the host's loopback"),
		}}, true
	default:
		return Denial{}, false
	}
}

// firstOf is the first text that has something. Of several names that the guest asked for, the
// latest stands first; of several hosts that a connection said, none is the one.
func firstOf(name, said, asked string) string {
	latest, _, _ := strings.Cut(asked, " ")
	for _, text := range []string{name, said, latest} {
		if text != "" {
			return text
		}
	}
	return ""
}

// Lookup reports whether a name was looked up, and nothing else.
func (d Denial) Lookup() bool { return d.of.Lookup }

// Name is the one by which the guest meant it; empty: none.
func (d Denial) Name() string { return d.of.Name }

// Record is a record of which Of makes the same Denial.
func (d Denial) Record() api.EgressRecord {
	r := api.EgressRecord{Event: "deny", Name: d.of.Name, Protocol: string(d.of.Protocol), Port: int(d.of.Addr.Port())}
	switch {
	case d.of.Lookup:
		return api.EgressRecord{Event: "dns", Name: d.of.Name}
	case d.of.Host:
		r.Rule = egress.GroundReserved + ": the host's loopback"
	}
	r.Address = d.of.Addr.Addr().String()
	return r
}

// String says what was denied, as a rule would name it.
func (d Denial) String() string { return d.of.String() }

// Proposal is the narrowest rule that allows it. The fault is Invalid: none can.
func (d Denial) Proposal() (string, error) {
	rule, err := d.of.Proposal()
	if err != nil {
		return "", err
	}
	return rule.String(), nil
}

// AllowedBy returns nil if the rule, put before all others, allows what was denied, and what
// to ask the policy then.
func (d Denial) AllowedBy(text string) (probe string, err error) {
	rule, err := egress.ParseRule(text)
	if err != nil {
		return "", err
	}
	if words := strings.Fields(text); !strings.EqualFold(words[0], "allow") {
		return "", fault.New(fault.Invalid, "%q does not allow a target", text).WithHint("for example allow github.com tcp/443")
	}
	return d.of.Probe(rule), d.of.AllowedBy(rule)
}
