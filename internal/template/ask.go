package template

import (
	"context"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// List returns what is stored, the latest used first.
func (s *Service) List(ctx context.Context) ([]Stored, error) { return s.deps.Store.List(ctx) }

// Build makes the machine of a start of spec now, unless there is one, and returns it. It has the
// stage save.
func (s *Service) Build(ctx context.Context, spec vm.Spec, k vm.Kernel, p operation.Progress) (Stored, error) {
	parts, err := s.deps.Parts(ctx, spec, k)
	if err != nil {
		return Stored{}, err
	}
	key := parts.Key()
	if _, err := s.deps.Store.Hold(ctx, key); err != nil {
		p.Stage("save")
		p.Detail("a machine with %d vCPUs and %d MiB on %s", spec.VCPU, spec.MemoryBytes>>20, spec.Driver)
		if err := s.save(ctx, wanted{key: key, about: aboutOf(spec, k), spec: spec}); err != nil {
			return Stored{}, err
		}
	}
	all, err := s.List(ctx)
	for _, t := range all {
		if t.Key == key {
			return t, nil
		}
	}
	if err == nil {
		err = fault.New(fault.Unavailable, "the template %s is gone again", key)
	}
	return Stored{}, err
}

// Prune removes all, and returns what it removed, also when it fails.
func (s *Service) Prune(ctx context.Context) ([]Stored, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	for i, t := range all {
		if err := s.deps.Store.Remove(ctx, t.Key); err != nil {
			return all[:i], err
		}
	}
	return all, nil
}
