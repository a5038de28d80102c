package vm

import (
	"context"
	"errors"

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

// AddEgress puts rules before those of a VM's policy, otherwise as SetEgress.
func (s *Service) AddEgress(ctx context.Context, name string, rules []string) (VM, error) {
	if len(rules) == 0 {
		return VM{}, fault.New(fault.Invalid, "no rule given").WithHint("allow github.com tcp/443")
	}
	parsed, err := parseRules(rules)
	if err != nil {
		return VM{}, err
	}
	return s.changeEgress(ctx, name, func(p egress.Policy) (string, error) { return p.With(parsed...).String(), nil })
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
	return policy.With(parsed...).Answer(probe), err
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
	v, err = s.update(ctx, v.ID, func(v *VM) error {
		v.Egress = policy.String()
		return nil
	})
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
