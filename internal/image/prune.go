package image

import "context"

// hold is Get of an image that is about to be used: until ctx ends, no Prune and no
// loss of its name removes it.
func (s *Service) hold(ctx context.Context, name string) (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.Get(ctx, name)
	if err != nil {
		return Image{}, err
	}
	s.held[m.ID]++
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[m.ID]--; s.held[m.ID] == 0 {
			delete(s.held, m.ID)
		}
	})
	return m, nil
}

// unused reports whether no VM uses an image, and no operation has it in hand. The
// caller holds mu.
func (s *Service) unused(ctx context.Context, id string) (bool, error) {
	if s.held[id] > 0 {
		return false, nil
	}
	users, err := s.users.ImageUsers(ctx, id)
	return err == nil && len(users) == 0, err
}

// Unused returns the images that Prune would remove, each once: those that no VM uses
// and no operation has in hand, and, unless all, that have no name. Those of a newer build
// are not among them: nothing tells their names.
func (s *Service) Unused(ctx context.Context, all bool) ([]Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.store.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []Image
	seen := map[string]bool{}
	for _, m := range named(stored) {
		if seen[m.ID] || m.Newer || m.Name != "" && !all {
			continue
		}
		seen[m.ID] = true
		unused, err := s.unused(ctx, m.ID)
		if err != nil {
			return nil, err
		}
		if unused {
			found = append(found, m)
		}
	}
	return found, nil
}

// Prune removes the image with this id if it is one of Unused still, and reports
// whether it did.
func (s *Service) Prune(ctx context.Context, id string, all bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.Get(ctx, id)
	if err != nil || m.ID != id || m.Newer || len(m.Names) > 0 && !all { // it is gone, or has got a name
		return false, nil
	}
	unused, err := s.unused(ctx, id)
	if err != nil || !unused {
		return false, err
	}
	return true, s.remove(ctx, m.Manifest)
}
