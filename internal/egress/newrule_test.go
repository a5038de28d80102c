package egress_test

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

func TestNewRule(t *testing.T) {
	for _, c := range []struct{ target, proto, want string }{
		{"example.org", "", "allow example.org"},
		{"example.org:443", "", "allow example.org tcp/443"},
		{"example.org:53", "udp", "allow example.org udp/53"},
		{"[2001:db8::1]:1-9", "", "allow 2001:db8::1 tcp/1-9"},
		{"2001:db8::/32", "udp", "allow 2001:db8::/32 udp"},
		{"any", "icmp", "allow any icmp"},
	} {
		var words []string
		if c.proto != "" {
			words = append(words, c.proto)
		}
		if got, err := egress.NewRule("allow", c.target, words...); err != nil || got.String() != c.want {
			t.Errorf("%s %s: %q, %v", c.target, c.proto, got, err)
		}
	}
}

func TestARuleIsForNoURL(t *testing.T) {
	_, err := egress.NewRule("deny", "http://evil.example/x")
	if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "http://evil.example/x") || fault.HintOf(err).String() != "use the host name: evil.example" {
		t.Errorf("%v, %q", err, fault.HintOf(err).String())
	}
}
