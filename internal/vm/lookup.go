package vm

import (
	"context"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// maxCandidates bounds how many VMs an ambiguous prefix is answered with.
const maxCandidates = 5

// Filter narrows a list: a VM must have each label; an empty value means any.
type Filter struct {
	Labels map[string]string
}

// Get returns one VM: Invalid when an id prefix is ambiguous, else NotFound.
func (s *Service) Get(ctx context.Context, name string) (VM, error) {
	if name == "" {
		return VM{}, fault.New(fault.Invalid, "no VM given").Try(act.VMList.Do())
	}
	found, err := s.deps.Store.Lookup(ctx, name, maxCandidates+1)
	if err != nil {
		return VM{}, err
	}
	switch {
	case len(found) == 0:
		return VM{}, notFound(name)
	case len(found) == 1 || found[0].Name == name:
		return found[0], nil
	}
	more := ""
	if len(found) > maxCandidates {
		found, more = found[:maxCandidates], ", …"
	}
	candidates := make([]string, len(found))
	for i, v := range found {
		candidates[i] = v.Name + " (" + v.ID + ")"
	}
	return VM{}, fault.New(fault.Invalid, "ID prefix %q is ambiguous: %s%s", name, strings.Join(candidates, ", "), more).
		WithHint("give a name or more of the ID")
}

// byID returns the VM with exactly this id. A VM may be named like another's id.
func (s *Service) byID(ctx context.Context, id string) (VM, error) {
	found, err := s.deps.Store.Lookup(ctx, id, 2)
	if err != nil {
		return VM{}, err
	}
	for _, v := range found {
		if v.ID == id {
			return v, nil
		}
	}
	return VM{}, notFound(id)
}

func notFound(name string) error {
	return fault.New(fault.NotFound, "no VM named %q", plain.Value(name)).Try(act.VMList.Do())
}

// List returns the VMs that pass the filter, oldest first.
func (s *Service) List(ctx context.Context, f Filter) ([]VM, error) {
	all, err := s.deps.Store.List(ctx)
	if err != nil || len(f.Labels) == 0 {
		return all, err
	}
	kept := all[:0]
	for _, v := range all {
		if f.matches(v) {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

func (f Filter) matches(v VM) bool {
	for key, want := range f.Labels {
		if have, ok := v.Labels[key]; !ok || want != "" && have != want {
			return false
		}
	}
	return true
}
