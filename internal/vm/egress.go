package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// SetEgress replaces the policy of a VM, by a preset or a whole text. The policy
// of a VM that runs holds from then on: when its machine does not take it, the
// policy is stored all the same, is given to the machine again later, and the
// error says so.
func (s *Service) SetEgress(ctx context.Context, name, text string) (VM, error) {
	return s.changeEgress(ctx, name, func(egress.Policy) (string, error) { return text, nil })
}

// EgressAddition is rules to put before those of a VM's policy.
type EgressAddition struct {
	Rules []string
	// For is how long they are part of it, from a second to egress.MaxTime; 0: until they
	// are removed.
	For time.Duration
	// Always puts them before those of new VMs, too: see AddEgressRules.
	Always bool
}

// AddEgress puts rules before those of a VM's policy, otherwise as SetEgress.
func (s *Service) AddEgress(ctx context.Context, name string, add EgressAddition) (VM, error) {
	rules, err := s.added(add)
	if err != nil {
		return VM{}, err
	}
	return s.changeEgress(ctx, name, func(p egress.Policy) (string, error) {
		p = p.With(rules...)
		if _, err := egress.Parse(p.String()); err != nil || !add.Always {
			return p.String(), err
		}
		_, err := s.AddEgressRules(ctx, add.Rules)
		return p.String(), err
	})
}

// added validates what is to be added.
func (s *Service) added(add EgressAddition) ([]egress.Rule, error) {
	rules, err := parseRules(add.Rules)
	switch {
	case err != nil:
		return nil, err
	case len(rules) == 0:
		return nil, noRule()
	case add.For == 0:
		return rules, nil
	case add.Always:
		return nil, fault.New(fault.Invalid, "a rule cannot be for a time and for always").WithHint("give one of the two")
	case add.For < time.Second || add.For > egress.MaxTime:
		return nil, fault.New(fault.Invalid, "a rule cannot be for %s", add.For).WithHint("give a time from 1s to %g hours", egress.MaxTime.Hours())
	}
	for i, rule := range rules {
		rules[i] = rule.Until(s.now().Add(add.For))
	}
	return rules, nil
}

func noRule() error {
	return fault.New(fault.Invalid, "no rule given").WithHint("allow github.com tcp/443")
}

// RemoveEgress takes rules out of a VM's policy, otherwise as SetEgress. Each must be
// one of the policy's own: see egress.Policy.Without.
func (s *Service) RemoveEgress(ctx context.Context, name string, rules []string) (VM, error) {
	parsed, err := parseRules(rules)
	if err != nil {
		return VM{}, err
	}
	return s.changeEgress(ctx, name, func(p egress.Policy) (string, error) {
		for _, rule := range parsed {
			if p, err = p.Without(rule); err != nil {
				return "", fault.Advise(err, "%s", act.VMEgress.On(name))
			}
		}
		return p.String(), nil
	})
}

// TestEgress returns what a VM's policy says to a probe, with rules put before its own
// first. It changes nothing.
func (s *Service) TestEgress(ctx context.Context, name string, probe egress.Probe, rules []string) (egress.Answer, error) {
	v, err := s.Get(ctx, name)
	if err != nil {
		return egress.Answer{}, err
	}
	if v.Network == NetworkNone {
		return egress.Answer{}, noNetwork(v)
	}
	policy, err := egress.Parse(v.Egress)
	if err != nil {
		return egress.Answer{}, err
	}
	parsed, err := parseRules(rules)
	return policy.At(s.now()).With(parsed...).Answer(probe), err
}

func noNetwork(v VM) error {
	return fault.New(fault.Conflict, "VM %s has no network", v.Name).Try(act.VMCreate.Do(act.UserNetwork))
}

func parseRules(rules []string) ([]egress.Rule, error) {
	parsed := make([]egress.Rule, 0, len(rules))
	for _, text := range rules {
		rule, err := egress.ParseRule(text)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, rule)
	}
	return parsed, nil
}

func (s *Service) changeEgress(ctx context.Context, name string, change func(egress.Policy) (string, error)) (VM, error) {
	v, release, err := s.claimed(ctx, name, "egress")
	if err != nil {
		return VM{}, err
	}
	defer release()
	if v.Network == NetworkNone {
		return VM{}, noNetwork(v)
	}
	before, err := egress.Parse(v.Egress)
	if err != nil {
		return VM{}, err
	}
	text, err := change(before)
	if err != nil {
		return VM{}, err
	}
	policy, err := egress.Parse(text)
	if err != nil {
		return VM{}, err
	}
	policy = policy.At(s.now())
	v, err = s.update(ctx, v.ID, func(v *VM) error {
		v.Egress = policy.String()
		return nil
	})
	s.retime()
	if err != nil || !v.State.Alive() {
		return v, err
	}
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return s.byID(ctx, v.ID)
	}
	if err != nil {
		return VM{}, notInForce(v, err) // it is told when it is found
	}
	if err := s.pushNetwork(ctx, w); err != nil && !w.over() {
		w.poke()
		return VM{}, notInForce(v, err)
	}
	return v, nil
}

// notInForce says that a policy was stored, but the machine goes on with the old.
func notInForce(v VM, cause error) error {
	code, hint := fault.Unavailable, fault.Hintf("it is tried again while the VM runs; see %s", act.VMEgress.On(v.Name))
	if errors.Is(cause, fault.Conflict) {
		code, hint = fault.Conflict, fault.Hintf("%s", act.VMRestart.On(v.Name))
	}
	return fault.Wrap(code, cause, "the policy of VM %s is stored, but not in force in the running VM", v.Name).WithHint("%s", hint)
}
