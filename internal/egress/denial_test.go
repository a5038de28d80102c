package egress_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
)

func denied(name, addr string, protocol egress.Protocol) egress.Denial {
	return egress.Denial{Name: name, Addr: netip.MustParseAddrPort(addr), Protocol: protocol}
}

// The guest chooses the names that it looks up and says: what they mean in a rule is not what
// is proposed, and no rule that has this meaning counts as one for them.
func TestProposals(t *testing.T) {
	for name, c := range map[string]struct {
		of    egress.Denial
		want  string // empty: none
		other []string
	}{
		"by name":           {denied("a.example", "203.0.113.7:22", egress.TCP), "allow a.example tcp/22", []string{"allow b.example tcp/22", "allow a.example tcp/443", "deny a.example tcp/22"}},
		"by address":        {denied("", "203.0.113.7:53", egress.UDP), "allow 203.0.113.7 udp/53", []string{"allow 203.0.113.8", "allow a.example"}},
		"icmp":              {denied("", "203.0.113.7:0", egress.ICMP), "allow 203.0.113.7 icmp", []string{"allow 203.0.113.7 tcp"}},
		"private":           {denied("a.example", "10.1.2.3:22", egress.TCP), "allow 10.1.2.3 tcp/22", []string{"allow a.example tcp/22", "allow any", "allow 0.0.0.0/0"}},
		"said host":         {denied("host", "203.0.113.7:80", egress.TCP), "allow 203.0.113.7 tcp/80", []string{"allow host", "allow host:80"}},
		"said two":          {denied("a.example b.example", "203.0.113.7:80", egress.TCP), "allow 203.0.113.7 tcp/80", []string{"allow a.example"}},
		"the host":          {egress.Denial{Name: "host.vm", Host: true, Protocol: egress.TCP, Addr: netip.MustParseAddrPort("198.18.0.2:8080")}, "allow host tcp/8080", []string{"allow any", "allow host:80", "allow 198.18.0.2"}},
		"lookup":            {egress.Denial{Lookup: true, Name: "a.example"}, "allow a.example tcp/443", []string{"allow b.example", "allow 192.0.2.0/24 tcp/22", "allow 2001:db8::1 tcp/22"}},
		"lookup of host":    {egress.Denial{Lookup: true, Name: "host"}, "", []string{"allow host", "allow host tcp/8080", "allow any"}},
		"lookup of host.vm": {egress.Denial{Lookup: true, Name: "Host.VM."}, "", []string{"allow host"}},
		"lookup of any":     {egress.Denial{Lookup: true, Name: "any"}, "", []string{"allow any"}},
		"lookup of tcp":     {egress.Denial{Lookup: true, Name: "tcp"}, "", nil},
		"lookup of address": {egress.Denial{Lookup: true, Name: "127.0.0.1"}, "", []string{"allow 127.0.0.1", "allow host"}},
		"lookup of prefix":  {egress.Denial{Lookup: true, Name: "10.0.0.0/8"}, "", []string{"allow 10.0.0.0/8"}},
		"lookup below":      {egress.Denial{Lookup: true, Name: "*.example"}, "", []string{"allow *.example"}},
		"lookup of nothing": {egress.Denial{Lookup: true}, "", nil},
		"nothing":           {egress.Denial{Protocol: egress.TCP}, "", nil},
	} {
		rule, err := c.of.Proposal()
		if c.want == "" && err == nil || c.want != "" && (err != nil || rule.String() != c.want) {
			t.Errorf("%s: %q, %v", name, rule, err)
		}
		if err == nil {
			if err := c.of.AllowedBy(rule); err != nil {
				t.Errorf("%s: its own proposal: %v", name, err)
			}
		}
		for _, text := range c.other {
			if err := c.of.AllowedBy(mustRule(t, text)); err == nil {
				t.Errorf("%s: %s allows it", name, text)
			}
		}
	}
}

func TestWiderRulesThatAllowADenial(t *testing.T) {
	d := denied("a.b.example", "203.0.113.7:22", egress.TCP)
	lookup := egress.Denial{Lookup: true, Name: "a.b.example"}
	for text, probe := range map[string]string{
		"allow *.example tcp/22,443": "a.b.example tcp/22", "allow any": "a.b.example tcp/443", "allow a.b.example until 2027-01-31T12:00:00Z": "a.b.example tcp/443",
	} {
		rule := mustRule(t, text)
		for _, of := range []egress.Denial{d, lookup} {
			if err := of.AllowedBy(rule); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		if got := lookup.Probe(rule); got != probe {
			t.Errorf("%s is asked as %q", text, got)
		}
		if got := d.Probe(rule); got != "a.b.example tcp/22" || !strings.HasPrefix(lookup.String(), "to look up ") {
			t.Errorf("%s is asked as %q", text, got)
		}
	}
	if got := lookup.Probe(mustRule(t, "allow any icmp")); got != "a.b.example icmp" {
		t.Errorf("it is asked as %q", got)
	}
}
