package image

import (
	"context"

	"github.com/bangervm/banger/internal/operation"
)

// Promote copies the filesystem of an image that Register made, so that the image no
// longer needs the user's file: by reflink where the filesystem can. VMs keep working,
// and use the copy from their next start. An image that has its own files is returned
// as it is. When Promote ends with an error, or ctx is cancelled, nothing has changed.
// Progress has the stages check, copy and commit.
func (s *Service) Promote(ctx context.Context, name string, p operation.Progress) (Image, error) {
	m, err := s.Get(ctx, name)
	if err != nil || m.External == nil {
		return m, err
	}
	end, err := s.begin(ctx, wish{name: Name{Name: m.Name, Ref: m.Ref}, replace: true, digest: m.identity()})
	if err != nil {
		return Image{}, err
	}
	defer end()
	p.Stage(stageCheck)
	if err := s.verify(ctx, m.Manifest); err != nil {
		return Image{}, err
	}
	renewal, err := s.store.Renew(ctx, m.ID)
	if err != nil {
		return Image{}, err
	}
	defer func() {
		if err := renewal.Discard(); err != nil {
			s.log.Warn("remove a staged filesystem", "id", m.ID, "error", err)
		}
	}()
	p.Stage(stageCopy)
	if err := s.files.Copy(ctx, m.External.Path, renewal.RootfsPath()); err != nil {
		return Image{}, err
	}
	made, err := s.files.Read(ctx, renewal.RootfsPath())
	if err != nil {
		return Image{}, err
	}
	if err := s.Usable(m.Manifest); err != nil { // it may have changed meanwhile
		return Image{}, err
	}
	m.Manifest, err = s.install(ctx, m.ID, renewal, p, func(m *Manifest) {
		m.has(made)
		m.External = nil
	})
	return m, err
}
