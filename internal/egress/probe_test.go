package egress_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

func TestAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		policy, target, address string
		allow                   bool
		rule                    string
		number                  int
		unless                  string
	}{
		"a name that is allowed":        {policy: "default deny; allow github.com tcp/443", target: "github.com", allow: true, rule: "allow github.com tcp/443", number: 1},
		"another port":                  {policy: "default deny; allow github.com tcp/443", target: "github.com tcp/22", rule: "default deny"},
		"a port at the target":          {policy: "default deny; allow github.com tcp/22", target: "github.com:22", allow: true, rule: "allow github.com tcp/22", number: 1},
		"a name that nobody may ask":    {policy: "default deny; deny evil.example; allow any", target: "evil.example", rule: "deny evil.example", number: 1},
		"the second rule":               {policy: "default deny; deny any udp; allow any", target: "github.com", allow: true, rule: "allow any", number: 2},
		"the default":                   {policy: "default allow", target: "github.com", allow: true, rule: "default allow"},
		"a private address":             {policy: "all", target: "10.0.0.5", rule: "reserved: private network 10.0.0.0/8"},
		"the host":                      {policy: "all", target: "host:8080", rule: "reserved: the host's loopback"},
		"a port of the host":            {policy: "default deny; allow host tcp/8080", target: "host:8080", allow: true, rule: "allow host tcp/8080", number: 1},
		"ping":                          {policy: "default deny; allow any icmp", target: "192.0.2.1 icmp", allow: true, rule: "allow any icmp", number: 1},
		"an address might be denied":    {policy: "default deny; deny 192.0.2.0/24; allow github.com", target: "github.com", allow: true, rule: "allow github.com", number: 2, unless: "deny 192.0.2.0/24"},
		"the address is known":          {policy: "default deny; deny 192.0.2.0/24; allow github.com", target: "github.com", address: "192.0.2.7", rule: "deny 192.0.2.0/24", number: 1},
		"a rule for an address is none": {policy: "default deny; allow 192.0.2.0/24; allow github.com tcp/22", target: "github.com", rule: "default deny", unless: "allow 192.0.2.0/24"},
	} {
		policy, err := egress.Parse(test.policy)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		words := strings.Fields(test.target)
		probe, err := egress.NewProbe(test.address, words[0], words[1:]...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := policy.Answer(probe)
		if got.Allow != test.allow || got.Rule != test.rule || got.Number != test.number || strings.Join(got.Unless, "; ") != test.unless {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A probe without an address is decided by no rule for some addresses, wherever they are.
func TestAnswerTakesNoAddressOfARule(t *testing.T) {
	var lines []string
	for _, a := range []string{"8.0.0.0/5", "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2"} {
		lines = append(lines, "deny "+a)
	}
	policy, err := egress.Parse("default deny\n" + strings.Join(append(lines, "allow github.com"), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	probe, err := egress.NewProbe("", "github.com")
	if err != nil {
		t.Fatal(err)
	}
	if got := policy.Answer(probe); !got.Allow || !slices.Equal(got.Unless, lines) {
		t.Errorf("%+v", got)
	}
}

func TestAProbeIsOneFlow(t *testing.T) {
	for _, bad := range []string{"any", "*.example.org", "10.0.0.0/8", "github.com tcp/22,443", "github.com tcp/1-2", "https://github.com/x", "-", "a b c d"} {
		words := strings.Fields(bad)
		if p, err := egress.NewProbe("", words[0], words[1:]...); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", bad, p, err)
		}
	}
	if _, err := egress.NewProbe("nowhere", "github.com"); !errors.Is(err, fault.Invalid) {
		t.Errorf("an address that is none: %v", err)
	}
}
