package image

import "context"

// Tag gives the image that Get finds another name. A name that an image with other
// files has is a Conflict unless it is to be replaced: then that image loses the name,
// as in Pull.
func (s *Service) Tag(ctx context.Context, name, more string, replace bool) (Image, error) {
	if err := ValidateName(more); err != nil {
		return Image{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.store.List(ctx)
	if err != nil {
		return Image{}, err
	}
	m, err := find(named(stored), name)
	if err != nil {
		return Image{}, err
	}
	w := wish{name: Name{Name: more, Ref: m.Ref, DiskBytes: m.DiskBytes, MemoryBytes: m.MemoryBytes, PreferKernel: m.PreferKernel}, replace: replace, digest: m.identity(), tagged: name}
	if err := w.refused(settled(stored)); err != nil {
		return Image{}, err
	}
	tagged, err := s.give(ctx, stored, m.Manifest, w)
	return tagged.as(more), err
}
