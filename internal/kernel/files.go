package kernel

import (
	"context"

	"github.com/bangervm/banger/internal/operation"
)

// BuildFrom makes the kernel called name, outside the catalog, of the files in src
// that files names, into the directory dir, which must not exist. The caller closes
// src. When it fails, or ctx ends, nothing is left of it. Progress has the stages of
// Import.
func (s *Service) BuildFrom(ctx context.Context, name string, src Source, files Metadata, dir string, p operation.Progress) (Manifest, error) {
	if err := CheckName(name); err != nil {
		return Manifest{}, err
	}
	p.Stage("find")
	layout, err := fromMetadata(ctx, src, s.d.Executables, files)
	if err != nil {
		return Manifest{}, err
	}
	if err := s.checkArchitecture(layout); err != nil {
		return Manifest{}, err
	}
	p.Detail("%s", layout.Version)
	m := Manifest{Name: name, Version: layout.Version, Architecture: layout.Binary.Architecture, Source: layout.Image}
	if m.SourceSHA256, err = fingerprint(ctx, src, layout); err != nil {
		return Manifest{}, err
	}
	begin := func(ctx context.Context, name string) (Draft, error) { return s.d.Store.BeginIn(ctx, name, dir) }
	return s.build(ctx, m, p, begin, Draft.Commit, func(ctx context.Context, draft Draft, m *Manifest) error {
		return s.fill(ctx, src, layout, draft, m, p)
	})
}
