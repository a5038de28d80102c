package egress_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
)

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
		if !v.Allow {
			t.Errorf("%q, %q: %+v", c.policy, c.flow, v)
			continue
		}
		if got := policy.CheckHost(f, v, sound(c.host)); got.Allow != c.allow || got.Rule != c.rule {
			t.Errorf("%q, %q, host %q: %+v, want %v by %q", c.policy, c.flow, c.host, got, c.allow, c.rule)
		}
	}
}

func TestCheckHostKeepsADenial(t *testing.T) {
	policy, f := mustParse(t, "default deny; allow a.example"), flow(t, "tcp 203.0.113.5:443")
	v := policy.Decide(f)
	if got := policy.CheckHost(f, v, sound("a.example")); got.Allow || got != v {
		t.Errorf("the host's name turned %+v into %+v", v, got)
	}
}

func sound(host string) egress.Said {
	said := egress.Said{Speech: egress.Sound, Hosts: strings.Fields(host)}
	return said
}

// All hosts that a connection names count.
func TestCheckHostOfSeveral(t *testing.T) {
	for _, c := range []struct {
		policy, hosts string
		allow         bool
	}{
		{"default allow; deny bad.example", "good.example bad.example", false},
		{"default allow; deny bad.example", "bad.example good.example", false},
		{"default allow; deny bad.example", "good.example other.example", true},
		{"default deny; allow a.example; allow b.example", "a.example b.example", true},
		{"default deny; allow a.example; allow c.example", "a.example c.example", false},
	} {
		policy, f := mustParse(t, c.policy), flow(t, "tcp 203.0.113.5:443 a.example,b.example")
		if got := policy.CheckHost(f, policy.Decide(f), sound(c.hosts)); got.Allow != c.allow {
			t.Errorf("%q, %s: %+v", c.policy, c.hosts, got)
		}
	}
}

// What is neither sound TLS nor sound HTTP passes where it can name no host.
func TestCheckHostOfOtherSpeech(t *testing.T) {
	const byName, allButOne = "default deny; allow a.example", "default allow; deny bad.example"
	all := []egress.Speech{egress.Sound, egress.Unsound, egress.Words, egress.Unknown, egress.Foreign, egress.SSH, egress.Greeted}
	for _, c := range []struct {
		policy, port string
		pass         []egress.Speech
	}{
		{byName, "7", []egress.Speech{egress.Foreign, egress.SSH, egress.Greeted}},
		{byName, "80", nil},
		{byName, "443", []egress.Speech{egress.SSH}},
		{allButOne, "7", []egress.Speech{egress.Sound, egress.Unknown, egress.Foreign, egress.SSH, egress.Greeted}},
		{allButOne, "80", []egress.Speech{egress.Sound}},
		{allButOne, "443", []egress.Speech{egress.Sound, egress.SSH}},
	} {
		policy, f := mustParse(t, c.policy), flow(t, "tcp 203.0.113.5:"+c.port+" a.example")
		for _, speech := range all {
			want := slices.Contains(c.pass, speech)
			if got := policy.CheckHost(f, policy.Decide(f), egress.Said{Speech: speech}); got.Allow != want {
				t.Errorf("%q, port %s, %s: %+v", c.policy, c.port, speech, got)
			}
		}
	}
}

// A name matters where a rule by name allows and nothing else does, or where one
// that denies stands before what decides otherwise.
func TestNeedsHost(t *testing.T) {
	for _, c := range []struct {
		policy string
		want   bool
	}{
		{"all", false},
		{"none", false},
		{"default deny; allow a.example", true},
		{"default deny; allow any", false},
		{"default deny; allow a.example; allow 203.0.113.0/24", false},
		{"default deny; allow a.example; allow 203.0.114.0/24", true},
		{"default deny; allow a.example; deny any; allow any", true},
		{"default allow; deny b.example", true},
		{"default allow; deny b.example tcp/80", false},
		{"default allow; deny b.example udp", false},
		{"default allow; deny 192.0.2.1", false},
		{"default allow; allow b.example", false},
		{"default allow; allow a.example", false},
		{"default allow; allow 203.0.113.5; deny b.example", false},
		{"default allow; allow 203.0.113.5 tcp/80; deny b.example", true},
		{"default allow; deny b.example; allow 203.0.113.5", true},
	} {
		policy, f := mustParse(t, c.policy), flow(t, "tcp 203.0.113.5:443 a.example")
		if got := policy.NeedsHost(f, policy.Decide(f)); got != c.want {
			t.Errorf("%q: %v", c.policy, got)
		}
	}
	policy, f := mustParse(t, "default deny; allow host; deny b.example; allow any"), flow(t, "tcp own:443")
	if policy.NeedsHost(f, policy.Decide(f)) {
		t.Error("the host, which a rule before all others opens")
	}
}
