package egress

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Probe is a flow to ask a policy about before a guest begins it.
type Probe struct {
	rule Rule       // that allows exactly this flow
	addr netip.Addr // that the guest would connect to; invalid: not known
}

// webPort is the port of a probe that names none.
const webPort = 443

// NewProbe is the flow to a target (a domain name, an address, or "host") as rules have it,
// with a PROTOCOL/PORT, tcp/443 if there is none. address is the one that the name led to,
// or empty. The fault is Invalid.
func NewProbe(address, target string, more ...string) (Probe, error) {
	rule, err := NewRule(string(Allow), target, more...)
	if err != nil {
		return Probe{}, err
	}
	if rule.protocol == "" {
		rule.protocol = TCP
	}
	if rule.protocol != ICMP && len(rule.ports) == 0 {
		rule.ports = []portRange{{first: webPort, last: webPort}}
	}
	p := Probe{rule: rule}
	switch t := rule.target; {
	case len(rule.ports) > 1 || len(rule.ports) == 1 && rule.ports[0].first != rule.ports[0].last:
		return Probe{}, fault.New(fault.Invalid, "%s has more than one port", strings.TrimPrefix(rule.String(), "allow ")).WithHint("test one port at a time, such as tcp/443")
	case t.kind == prefixTarget && t.prefix.IsSingleIP():
		p.addr = t.prefix.Addr()
	case t.kind == hostTarget:
		p.addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case t.kind != nameTarget:
		return Probe{}, fault.New(fault.Invalid, "%s is more than one destination", t).WithHint("test one, such as github.com or 203.0.113.5")
	case address != "":
		if p.addr, err = netip.ParseAddr(address); err != nil {
			return Probe{}, fault.New(fault.Invalid, "%q is not an address", address).WithHint("write an address as 203.0.113.5 or 2001:db8::5")
		}
	}
	return p, nil
}

// String is the flow as a rule names it: "github.com tcp/443".
func (p Probe) String() string {
	text := p.rule.target.String() + " " + string(p.rule.protocol)
	if p.rule.protocol != ICMP {
		text += "/" + strconv.Itoa(int(p.port()))
	}
	return text
}

func (p Probe) port() uint16 {
	if len(p.rule.ports) == 0 {
		return 0
	}
	return p.rule.ports[0].first
}

// Answer is what a policy says to a probe.
type Answer struct {
	Verdict
	// Number is the place of the rule that decided in Policy.Rules, from 1; 0: no rule did.
	Number int
	// Unless are the rules by address that come before it and say the opposite: they decide
	// instead where the name leads to an address of theirs. Empty where the address is known.
	Unless []string
}

// Answer decides a probe as Decide decides the flow, once the name is one that the guest can
// ask for. Which of a host's public addresses are its own is not known here.
func (p Policy) Answer(probe Probe) Answer {
	flow := Flow{Protocol: probe.rule.protocol, Host: probe.rule.target.kind == hostTarget}
	addr := probe.addr
	if probe.rule.byName() {
		flow.Names = []string{probe.rule.target.name}
		if v := p.Resolves(probe.rule.target.name); !v.Allow {
			return p.numbered(v)
		}
		if !addr.IsValid() {
			addr = p.someAddress()
		}
	}
	flow.Addr = netip.AddrPortFrom(addr, probe.port())
	out := p.numbered(p.Decide(flow))
	if !probe.addr.IsValid() {
		out.Unless = p.byAddress(probe, out)
	}
	return out
}

func (p Policy) numbered(v Verdict) Answer {
	out, number := Answer{Verdict: v}, 0
	p.each(func(r *Rule) bool {
		number++
		if r.String() != v.Rule {
			return true
		}
		out.Number = number
		return false
	})
	return out
}

// byAddress are the rules for a service by address, before the one that decided, that
// decide otherwise.
func (p Policy) byAddress(probe Probe, out Answer) []string {
	var rules []string
	number := 0
	p.each(func(r *Rule) bool {
		number++
		if number == out.Number {
			return false
		}
		if r.narrow() && r.matchesService(probe.rule.protocol, probe.port()) && (r.action == Allow) != out.Allow {
			rules = append(rules, r.String())
		}
		return true
	})
	return rules
}

// narrow says whether the rule is for some addresses and not for all of a family.
func (r Rule) narrow() bool { return r.target.kind == prefixTarget && r.target.prefix.Bits() > 0 }

// someAddress is a public address that no narrow rule is about, if one is found soon.
func (p Policy) someAddress() netip.Addr {
	const tries, first = 223, 8
	var addr netip.Addr
	for i := byte(first); i < tries; i++ {
		addr = netip.AddrFrom4([4]byte{i, i ^ 0x5a, i, i})
		about := Reserved(addr)
		p.each(func(r *Rule) bool {
			about = about || r.narrow() && r.target.prefix.Contains(addr)
			return !about
		})
		if !about {
			break
		}
	}
	return addr
}
