package egress_test

import "testing"

func TestCheckHost(t *testing.T) {
	const strict = "default deny; deny bad.cdn.example; allow a.example tcp/443; allow *.cdn.example; allow b.example tcp/443; allow 203.0.113.9"
	for _, c := range []struct {
		policy, flow, host string
		allow              bool
		rule               string
	}{
		{strict, "tcp 203.0.113.5:443 a.example", "a.example", true, "allow a.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example", "A.Example.", true, "allow a.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example", "", false, "no name in the connection"},
		{strict, "tcp 203.0.113.5:443 a.example", "evil.example", false, "other name in the connection: allow a.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example", "203.0.113.5", false, "other name in the connection: allow a.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example", "2001:db8::1", false, "other name in the connection: allow a.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example", "a.example\x00evil.example", false, "invalid"},
		// Another name that is allowed, but not at this address.
		{strict, "tcp 203.0.113.5:443 a.example", "b.example", false, "other name in the connection: allow a.example tcp/443"},
		// One address of two names: each by its own rule.
		{strict, "tcp 203.0.113.5:443 a.example,b.example", "b.example", true, "allow b.example tcp/443"},
		{strict, "tcp 203.0.113.5:443 a.example,evil.example", "evil.example", false, "other name in the connection: allow a.example tcp/443"},
		// Names below one domain share a rule.
		{strict, "tcp 203.0.113.5:443 x.cdn.example", "y.cdn.example", true, "allow *.cdn.example"},
		{strict, "tcp 203.0.113.5:443 x.cdn.example", "cdn.example", false, "other name in the connection: allow *.cdn.example"},
		{strict, "tcp 203.0.113.5:443 x.cdn.example", "bad.cdn.example", false, "deny bad.cdn.example"},
		// Allowed as an address: any name, or none, but those that are denied.
		{strict, "tcp 203.0.113.9:443", "evil.example", true, "allow 203.0.113.9"},
		{strict, "tcp 203.0.113.9:443", "", true, "allow 203.0.113.9"},
		{strict, "tcp 203.0.113.9:443", "bad.cdn.example", false, "deny bad.cdn.example"},
		{strict, "tcp 203.0.113.9:443 a.example", "evil.example", true, "allow 203.0.113.9"},
		{"default allow; deny bad.example", "tcp 203.0.113.5:443", "BAD.example", false, "deny bad.example"},
		{"default allow; deny bad.example tcp/80", "tcp 203.0.113.5:443", "bad.example", true, "default allow"},
		{"default allow; deny *.example", "tcp 203.0.113.5:443", "good.org", true, "default allow"},
		{"default allow; deny *.example", "tcp 203.0.113.5:443", "bad_.example:80", false, "invalid"},
		{"default allow; allow a.example", "tcp 203.0.113.5:443 a.example", "c.example", true, "default allow"},
		{"default allow; allow a.example", "tcp 203.0.113.5:443 a.example", "", true, "default allow"},
	} {
		policy, f := mustParse(t, c.policy), flow(t, c.flow)
		v := policy.Decide(f)
		if !v.Allow || !policy.NeedsHost(v) && c.policy != strict {
			t.Errorf("%q, %q: %+v, NeedsHost %v", c.policy, c.flow, v, policy.NeedsHost(v))
			continue
		}
		if got := policy.CheckHost(f, v, c.host); got.Allow != c.allow || got.Rule != c.rule {
			t.Errorf("%q, %q, host %q: %+v, want %v by %q", c.policy, c.flow, c.host, got, c.allow, c.rule)
		}
	}
}

func TestCheckHostKeepsADenial(t *testing.T) {
	policy, f := mustParse(t, "default deny; allow a.example"), flow(t, "tcp 203.0.113.5:443")
	v := policy.Decide(f)
	if got := policy.CheckHost(f, v, "a.example"); got.Allow || got != v {
		t.Errorf("the host's name turned %+v into %+v", v, got)
	}
}

func TestNeedsHost(t *testing.T) {
	f := flow(t, "tcp 203.0.113.5:443 a.example")
	for policy, want := range map[string]bool{
		"all":                            false,
		"none":                           false,
		"default deny; allow a.example":  true,
		"default deny; allow any":        false,
		"default allow; deny b.example":  true,
		"default allow; deny 192.0.2.1":  false,
		"default allow; allow b.example": false,
	} {
		p := mustParse(t, policy)
		if got := p.NeedsHost(p.Decide(f)); got != want {
			t.Errorf("%q: %v", policy, got)
		}
	}
}
