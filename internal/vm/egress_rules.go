package vm

import (
	"context"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// MaxEgressRules bounds the rules of new VMs.
const MaxEgressRules = 256

// EgressRules keeps the rules with which the policies of new VMs begin, as the text of a
// policy; empty: there are none. Each method is atomic and safe for concurrent use.
type EgressRules interface {
	Read(ctx context.Context) (string, error)
	// Change stores what change makes of them, as one transaction. An error of change is
	// returned as it is, and nothing is stored.
	Change(ctx context.Context, change func(string) (string, error)) error
}

// EgressRules are the rules with which the policies of new VMs begin, in their order. A VM
// that is created with the policy "none", or with rules, has only what it was created with.
func (s *Service) EgressRules(ctx context.Context) ([]string, error) {
	policy, err := s.egressRules(ctx)
	return policy.Rules(), err
}

func (s *Service) egressRules(ctx context.Context) (egress.Policy, error) {
	text, err := s.deps.EgressRules.Read(ctx)
	if err != nil {
		return egress.Policy{}, err
	}
	return rulesOf(text)
}

func rulesOf(text string) (egress.Policy, error) {
	if text == "" {
		return egress.Policy{}, nil
	}
	return egress.Parse(text)
}

// AddEgressRules puts rules before those of new VMs, and returns them all. It changes no VM.
func (s *Service) AddEgressRules(ctx context.Context, rules []string) ([]string, error) {
	parsed, err := parseRules(rules)
	if err != nil {
		return nil, err
	}
	if len(parsed) == 0 {
		return nil, noRule()
	}
	for _, rule := range parsed {
		if rule.Timed() {
			return nil, fault.New(fault.Invalid, "the rule %q ends, so it cannot be for new VMs", rule).WithHint("leave the time out")
		}
	}
	return s.changeEgressRules(ctx, func(p egress.Policy) (egress.Policy, error) {
		p = p.With(parsed...)
		if n := len(p.Own()); n > MaxEgressRules {
			return p, fault.New(fault.Invalid, "new VMs would have %d egress rules, more than %d", n, MaxEgressRules).
				WithHint("use *.example.org and prefixes to have fewer rules")
		}
		return p, nil
	})
}

// RemoveEgressRules takes rules out of those of new VMs, and returns the others. The fault is
// NotFound if there is none such.
func (s *Service) RemoveEgressRules(ctx context.Context, rules []string) ([]string, error) {
	parsed, err := parseRules(rules)
	if err != nil {
		return nil, err
	}
	return s.changeEgressRules(ctx, func(p egress.Policy) (egress.Policy, error) {
		for _, rule := range parsed {
			if p, err = p.Without(rule); err != nil {
				return p, fault.New(fault.NotFound, "new VMs have no egress rule %q", rule).Try(act.EgressShow.Do())
			}
		}
		return p, nil
	})
}

func (s *Service) changeEgressRules(ctx context.Context, change func(egress.Policy) (egress.Policy, error)) ([]string, error) {
	var after egress.Policy
	err := s.deps.EgressRules.Change(ctx, func(text string) (string, error) {
		before, err := rulesOf(text)
		if err != nil {
			return "", err
		}
		after, err = change(before)
		return after.String(), err
	})
	return after.Rules(), err
}
