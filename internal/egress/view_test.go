package egress_test

import (
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/egress"
)

func TestAPolicyShowsItsRules(t *testing.T) {
	p, err := egress.Parse("default deny; deny 203.0.113.0/24; preset packages; allow any tcp/22")
	if err != nil {
		t.Fatal(err)
	}
	rules := p.Rules()
	if p.Default() != egress.Deny || len(rules) < 10 || rules[0] != "deny 203.0.113.0/24" || rules[len(rules)-1] != "allow any tcp/22" ||
		!slices.Contains(rules, "allow github.com tcp/80,443") {
		t.Errorf("default %s, rules %q", p.Default(), rules)
	}
	if all, err := egress.Parse("all"); err != nil || all.Default() != egress.Allow || len(all.Rules()) != 0 {
		t.Errorf("all: %s, %q, %v", all.Default(), all.Rules(), err)
	}
}
