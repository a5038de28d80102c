package image

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// making is a wish whose image is on its way here, until done is closed.
type making struct {
	wish
	done chan struct{}
}

// begin enters a wish among those that are carried out. It is a Conflict when
// another digest has the name, or another wish is about to give it to one. It waits
// for a wish of the same digest, so that nothing is fetched twice. The caller calls
// end.
func (s *Service) begin(ctx context.Context, w wish) (end func(), err error) {
	for {
		before, end, err := s.enter(ctx, w)
		if before == nil {
			return end, err
		}
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// enter is begin without its wait, for which it returns a channel.
func (s *Service) enter(ctx context.Context, w wish) (before <-chan struct{}, end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.store.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := w.refused(settled(all)); err != nil {
		return nil, nil, err
	}
	for other := range s.making {
		switch {
		case w.digest == "" || other.digest == "":
		case other.digest == w.digest:
			return other.done, nil, nil
		case other.name.Name == w.name.Name && !w.replace:
			return nil, nil, fault.New(fault.Conflict, "the image name %q is being given to %s from %s", w.name.Name, short(other.digest), other.name.Ref).
				WithHint("choose another name, or try again when that is done")
		}
	}
	own := &making{wish: w, done: make(chan struct{})}
	s.making[own] = struct{}{}
	return nil, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.making, own)
		close(own.done)
	}, nil
}

// refused returns a Conflict when another digest has the name, and may not lose it.
func (w wish) refused(all []Manifest) error {
	for _, m := range all {
		i := slices.IndexFunc(m.Names, func(n Name) bool { return n.Name == w.name.Name })
		if i < 0 || w.replace || w.digest == "" || m.identity() == w.digest {
			continue
		}
		return w.taken(m, m.Names[i].Ref)
	}
	return nil
}

// taken is the Conflict of a wish whose name is that of the image m, from ref.
func (w wish) taken(m Manifest, ref string) error {
	has, other := short(m.identity())+", from "+ref, ""
	if m.External != nil {
		has = fmt.Sprintf("%s as it was at %s", ref, m.External.ModifiedAt.Format(time.RFC3339))
	}
	if w.digest != "" && !w.external {
		other = fmt.Sprintf(", and %s has %s", w.name.Ref, short(w.digest))
	}
	return fault.New(fault.Conflict, "the image name %q is already in use: it is %s%s", w.name.Name, has, other).
		WithHint("%s", w.again())
}

// adopt gives the name to an image that is here, if there is one as wished.
func (s *Service) adopt(ctx context.Context, w wish) (Image, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.store.List(ctx)
	if err != nil {
		return Image{}, false, err
	}
	all := settled(stored)
	if err := w.refused(all); err != nil {
		return Image{}, false, err
	}
	if w.digest == "" {
		return Image{}, false, nil
	}
	m, found := w.choose(all)
	if !found {
		return Image{}, false, nil
	}
	m, err = s.give(ctx, stored, m, w)
	return m.as(w.name.Name), err == nil, err
}

// choose returns the image that has the name if that will do, or another.
func (w wish) choose(all []Manifest) (Manifest, bool) {
	for _, m := range all {
		if w.satisfied(m) && slices.ContainsFunc(m.Names, func(n Name) bool { return n.Name == w.name.Name }) {
			return m, true
		}
	}
	i := slices.IndexFunc(all, w.is)
	if i < 0 {
		return Manifest{}, false
	}
	return all[i], true
}

// by is the image as the name n shows it.
func (m Manifest) by(n Name) Image {
	return Image{Manifest: m, Name: n.Name, Ref: n.Ref, DiskBytes: n.DiskBytes, MemoryBytes: n.MemoryBytes, PreferKernel: n.PreferKernel}
}

// as returns the image under one of its names.
func (m Manifest) as(name string) Image {
	for _, n := range m.Names {
		if n.Name == name {
			return m.by(n)
		}
	}
	return Image{Manifest: m, Ref: m.Source}
}

// give stores that m has the wished name, unless it has it just so. The caller holds
// mu.
func (s *Service) give(ctx context.Context, stored []Manifest, m Manifest, w wish) (Manifest, error) {
	n := w.name
	if had := m.as(n.Name); had.Name != "" {
		if n.DiskBytes == 0 {
			n.DiskBytes = had.DiskBytes
		}
		if had.Ref == n.Ref && had.DiskBytes == n.DiskBytes && had.MemoryBytes == n.MemoryBytes && had.PreferKernel == n.PreferKernel {
			return m, nil
		}
	}
	n.At = s.later(stored, n.Name)
	m = m.with(n)
	m.Damaged = "" // what is stored now is whole
	if err := s.update(ctx, m); err != nil {
		return Manifest{}, err
	}
	s.take(context.WithoutCancel(ctx), stored, m.ID, n.Name)
	return m, nil
}

// later is a time after that at which any image got the name.
func (s *Service) later(stored []Manifest, name string) time.Time {
	at := s.now().UTC()
	for _, m := range stored {
		for _, n := range m.Names {
			if n.Name == name && !n.At.Before(at) {
				at = n.At.Add(1)
			}
		}
	}
	return at
}

// take takes a name from all images but one, which has it already and wins by
// having it later, so that what goes wrong here is only logged.
func (s *Service) take(ctx context.Context, stored []Manifest, id, name string) {
	for _, old := range stored {
		if old.ID == id || !slices.ContainsFunc(old.Names, func(n Name) bool { return n.Name == name }) {
			continue
		}
		if err := s.keepOrRemove(ctx, old.without(name)); err != nil {
			s.log.Warn("take the name from an older image", "id", old.ID, "name", name, "error", err)
		}
	}
}
