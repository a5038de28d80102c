package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// Delete removes a name of an image, and with its last name the image. It is a
// Conflict when VMs use the image that would go, or when name is the id of an image
// with several names.
func (s *Service) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	if len(m.Names) > 1 {
		if m.Name != name && m.Ref != name {
			return fault.New(fault.Conflict, "image %s has several names: %s", m.ID, names(m.Manifest)).
				WithHint("to delete one of them: %s", act.ImageDelete.On(m.Label()))
		}
		return s.update(ctx, m.without(m.Name))
	}
	users, err := s.users.ImageUsers(ctx, m.ID)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fault.New(fault.Conflict, "image %q is used by %s", name, summary(users)).
			WithHint("a VM needs its image at each start; to delete one that you no longer need: %s", act.VMDelete.On(""))
	}
	return s.remove(ctx, m.Manifest)
}

// keepOrRemove stores the manifest of an image that lost a name. One that has no
// other, and that no VM uses, is removed. The caller holds mu.
func (s *Service) keepOrRemove(ctx context.Context, m Manifest) error {
	if len(m.Names) == 0 {
		unused, err := s.unused(ctx, m.ID)
		if err != nil {
			return err
		}
		if unused {
			return s.remove(ctx, m)
		}
	}
	return s.update(ctx, m)
}

func names(m Manifest) string {
	all := make([]string, len(m.Names))
	for i, n := range m.Names {
		all[i] = n.Name
	}
	return strings.Join(all, ", ")
}

// summary names some VMs, for a message.
func summary(names []string) string {
	const most = 5
	what := "VM "
	if len(names) > 1 {
		what = "the VMs "
	}
	if len(names) > most {
		return fmt.Sprintf("%s%s and %d more", what, strings.Join(names[:most], ", "), len(names)-most)
	}
	return what + strings.Join(names, ", ")
}
