package image

import (
	"context"

	"github.com/bangervm/banger/internal/operation"
)

// partial reports whether a build that knew less of configurations stored the image's, and
// something may tell the rest. A tar and a file of the user's have none.
func (m Manifest) partial() bool {
	if m.ConfigFormat >= ConfigFormat {
		return false
	}
	ref, found := m.described()
	return found && ref.Kind != Tar
}

// described is the reference, by its digest, of what has the configuration of the image:
// what it was pulled from, or of a committed one the image below.
func (m Manifest) described() (Ref, bool) {
	if m.Base != nil {
		return pinned(m.Base.Origin, m.Base.Source, m.Base.Digest, m.platform())
	}
	return pinned(m.Origin, m.Source, m.Digest, m.platform())
}

// pinned is the reference, by its digest, of what an image was pulled from, or may have been.
func pinned(origin Origin, source, digest string, p Platform) (Ref, bool) {
	ref, err := ParseRef(source)
	if err != nil || ref.Path == Stdin || origin != FromReference && origin != Untold {
		return Ref{}, false
	}
	if ref.Kind != Tar && ref.Kind != DockerArchive {
		ref.Tag, ref.Digest = "", digest
	}
	ref.Platform = p
	return ref, true
}

// learn takes what the image's source, or that of its base, says. It reports whether it
// is of that digest and what VMs can be given.
func (m *Manifest) learn(info Info) bool {
	if m.Base != nil && info.Digest != m.Base.Digest || m.Base == nil && info.Digest != m.Digest || info.Config.validate() != nil {
		return false
	}
	m.Config, m.ConfigFormat = info.Config, ConfigFormat
	if m.Base == nil {
		m.Origin = FromReference
		return true
	}
	below := *m.Base
	below.Origin = FromReference
	m.Base = &below
	return true
}

// recall is the image with all of its configuration, if a build that knew less stored it
// and the rest is at hand: no registry is asked. VMs start from it all the same, so that
// what goes wrong is only logged.
func (s *Service) recall(ctx context.Context, m Image) Image {
	if m.Damaged != "" || !m.partial() { // a repair is told of, and does both
		return m
	}
	ref, _ := m.described()
	info, found := s.source.Recall(ctx, ref)
	if !found {
		return m
	}
	whole, err := s.complete(ctx, m.Manifest, info)
	if err != nil {
		s.log.Warn("cannot store the configuration of an older build's image", "id", m.ID, "error", err)
		return m
	}
	m.Manifest = whole
	return m
}

// inquire is recall for Repair: of whatever has it, and told.
func (s *Service) inquire(ctx context.Context, done *Repaired, p operation.Progress) error {
	m := done.Manifest
	if !m.partial() {
		return nil
	}
	ref, _ := m.described()
	p.Stage(stageResolve)
	p.Detail("%s", ref)
	content, err := s.source.Open(ctx, ref, nil)
	if err != nil {
		if ctx.Err() == nil {
			p.Detail("the image may lack a health check, which an older banger did not store: %s", err)
		}
		return ctx.Err()
	}
	defer s.closed(content, ref.String())
	done.Manifest, err = s.complete(ctx, m, content.Info())
	done.Changed = done.Changed || done.ConfigFormat != m.ConfigFormat
	return err
}

// complete stores what info says of the image, unless a build that knew as much has.
func (s *Service) complete(ctx context.Context, m Manifest, info Info) (Manifest, error) {
	was := m
	if !m.partial() || !m.learn(info) {
		return was, nil
	}
	return s.amend(ctx, m.ID, func(m *Manifest) { m.learn(info) })
}
