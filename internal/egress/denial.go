package egress

import (
	"cmp"
	"net/netip"

	"github.com/bangervm/banger/internal/fault"
)

// Denial is what a guest was denied: to look up a name, or a flow.
type Denial struct {
	Lookup bool // of Name; there was no flow
	// Name is the one by which the guest meant it, which only the guest says; empty: none. It
	// is a name, whatever it means in a rule.
	Name     string
	Protocol Protocol       // of the flow
	Addr     netip.AddrPort // of the flow; port 0 for ICMP
	Host     bool           // the flow was to the host's loopback
}

// Proposal is the narrowest rule that allows it: by the name if it has one that rules can be
// by, else by the address. To look a name up allows nothing, so that rule is for HTTPS. The
// fault is Invalid: no rule can allow it.
func (d Denial) Proposal() (Rule, error) {
	rule := Rule{action: Allow, protocol: TCP, ports: []portRange{{webPort, webPort}}}
	byName, err := d.name()
	if d.Lookup {
		rule.target = byName
		return rule, err
	}
	if rule.protocol = d.Protocol; rule.protocol == ICMP {
		rule.ports = nil
	} else {
		rule.ports = []portRange{{d.Addr.Port(), d.Addr.Port()}}
	}
	addr := d.Addr.Addr().Unmap().WithZone("")
	switch {
	case d.Host:
		rule.target = target{kind: hostTarget}
	case err == nil && !Reserved(addr):
		rule.target = byName
	case addr.IsValid():
		rule.target = target{kind: prefixTarget, prefix: netip.PrefixFrom(addr, addr.BitLen())}
	default:
		return Rule{}, fault.New(fault.Invalid, "it is not known where this led").WithHint("edit the policy")
	}
	return rule, nil
}

// name is the target that a rule by the name has. A word that means something else in a
// rule (host, any, an address) is not taken for it: the guest chose the word.
func (d Denial) name() (target, error) {
	t, err := parseTarget(d.Name)
	if err == nil && t.kind != nameTarget {
		err = fault.New(fault.Invalid, "no rule can be by the name %q, which means something else in a rule", d.Name).
			WithHint("if the VM should reach %s itself, edit the policy", t)
	}
	return t, err
}

// AllowedBy returns nil if the rule, before all others, allows what was denied: by a name that
// was looked up, what the rule names of it.
func (d Denial) AllowedBy(rule Rule) error {
	flow := Flow{Protocol: d.Protocol, Addr: d.Addr, Host: d.Host}
	if d.Host {
		flow.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), d.Addr.Port())
	}
	policy := Policy{}.With(rule)
	named, err := d.name()
	if err == nil {
		flow.Names = []string{named.name}
	}
	if d.Lookup {
		if err != nil {
			return err
		}
		var port uint16
		flow.Protocol, port = rule.service()
		flow.Addr = netip.AddrPortFrom(policy.someAddress(), port)
		if !policy.Resolves(named.name).Allow {
			return d.otherwise(rule)
		}
	}
	if v := policy.Decide(flow); !v.Allow || v.Rule != rule.String() {
		return d.otherwise(rule)
	}
	return nil
}

func (d Denial) otherwise(rule Rule) error {
	return fault.New(fault.Invalid, "the rule %q does not allow what was denied: %s", rule, d)
}

// service is a protocol and port that the rule is for: tcp/443 if it is for all.
func (r Rule) service() (Protocol, uint16) {
	switch protocol := cmp.Or(r.protocol, TCP); {
	case protocol == ICMP:
		return protocol, 0
	case len(r.ports) > 0:
		return protocol, r.ports[0].first
	default:
		return protocol, webPort
	}
}

// String is what was denied, as a rule would name it: "github.com tcp/443".
func (d Denial) String() string {
	if d.Lookup {
		return "to look up " + d.Name
	}
	where := cmp.Or(d.Name, d.Addr.Addr().String())
	if d.Host {
		where = string(hostTarget)
	}
	return where + " " + serviceText(d.Protocol, d.Addr.Port())
}

// Probe is what to ask a policy once the rule was added to it: "github.com tcp/22".
func (d Denial) Probe(rule Rule) string {
	if !d.Lookup {
		return d.String()
	}
	protocol, port := rule.service()
	return d.Name + " " + serviceText(protocol, port)
}

func serviceText(protocol Protocol, port uint16) string {
	if protocol == ICMP {
		return string(protocol)
	}
	return string(protocol) + portsText([]portRange{{port, port}})
}
