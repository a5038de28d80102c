package image

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Layer is what a commit changed of the image below: a file that the image has for its
// own, a layer of the OCI image specification.
type Layer struct {
	Digest    string    `json:"digest"`  // sha256:… of the file
	DiffID    string    `json:"diff_id"` // sha256:… of the tar that is compressed in it
	Bytes     int64     `json:"bytes"`   // of the file
	MediaType string    `json:"media_type"`
	CreatedAt time.Time `json:"created_at"`
}

// Base is the image below the Layers of a committed one, as it was at the commit.
type Base struct {
	ID     string `json:"id"`
	Origin Origin `json:"origin"`
	Source string `json:"ref"`    // the reference that its files came from, as Origin has it
	Digest string `json:"digest"` // of its manifest, or what else tells its files
}

// LayerFile is a Layer and where its file is.
type LayerFile struct {
	Layer
	Path string
}

// Layers are the layers of committed images, in files.
type Layers interface {
	// Check reads a layer. It is Unavailable when the file is missing, or has changed.
	Check(ctx context.Context, l LayerFile) error
	// Over returns the files of base, which Source opened, under the layers. Its Digest is
	// that of the merged tar as Changes have it. Closing it closes base.
	Over(base Content, layers []LayerFile) (Content, error)
	// OverRootfs is Over of the files in a filesystem.
	OverRootfs(ctx context.Context, path string, info Info, layers []LayerFile) (Content, error)
}

// UseLayers says what reads the layers of committed images, before the first call of any
// other method.
func (s *Service) UseLayers(layers Layers) { s.layers = layers }

// maxOwnLayers bounds the Layers of an image: container engines stack 127 with those of
// the base. Beyond, a commit begins anew over the image that it is of.
const maxOwnLayers = 64

// addLayer stages the layers of a committed image, and notes them and what is below.
func (s *Service) addLayer(ctx context.Context, w wish, m *Manifest, staging Staging, p operation.Progress) error {
	below, err := s.ByID(ctx, w.base)
	if err != nil {
		return err
	}
	m.Base = &Base{ID: below.ID, Origin: below.Origin, Source: below.Source, Digest: below.identity()}
	whole := s.checkLayers(ctx, below)
	if whole != nil && !errors.Is(whole, fault.Unavailable) {
		return whole
	}
	if below.Base != nil && len(below.Layers) < maxOwnLayers && whole == nil {
		shared, err := staging.ShareLayers(below)
		if err != nil {
			return err
		}
		if shared {
			m.Base, m.Layers = below.Base, slices.Clone(below.Layers)
		}
	}
	p.Stage(stageLayer)
	added, err := w.changes.WriteLayer(ctx, p, staging.LayersDir())
	if err != nil {
		return err
	}
	added.CreatedAt = s.now().UTC()
	m.Layers = append(m.Layers, added)
	return nil
}

// LayerFiles are the layers that the image has for its own, the lowest first.
func (s *Service) LayerFiles(m Manifest) []LayerFile {
	files := make([]LayerFile, 0, len(m.Layers))
	for _, l := range m.Layers {
		files = append(files, LayerFile{Layer: l, Path: s.store.LayerPath(m.ID, l.Digest)})
	}
	return files
}

// checkLayers reads the image's own layers. It is Unavailable when one is not whole.
func (s *Service) checkLayers(ctx context.Context, m Manifest) error {
	for _, l := range s.LayerFiles(m) {
		if err := s.layers.Check(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// verifyLayers is checkLayers for the user: VMs start from the image all the same.
func (s *Service) verifyLayers(ctx context.Context, m Manifest) error {
	err := s.checkLayers(ctx, m)
	if !errors.Is(err, fault.Unavailable) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "image %s has lost a layer", m.Label()).
		WithHint("VMs start from it, and it is saved as one merged layer; to go on without its layers: %s", act.ImageRepair.On(m.Label()))
}

// BaseImage returns the local image below a committed one, if there is one whose file is
// there.
func (s *Service) BaseImage(ctx context.Context, m Manifest) (Manifest, bool, error) {
	all, err := s.store.List(ctx)
	if err != nil || m.Base == nil {
		return Manifest{}, false, err
	}
	i := slices.IndexFunc(all, func(b Manifest) bool {
		return b.identity() == m.Base.Digest && b.Architecture == m.Architecture && s.Usable(b) == nil
	})
	if i < 0 {
		return Manifest{}, false, nil
	}
	return all[i], true, nil
}

// restack returns the files of a committed image, of its base and its own layers: of the
// base's filesystem where that is whole, or what its reference leads to.
func (s *Service) restack(ctx context.Context, m Manifest, p operation.Progress) (Content, error) {
	if err := s.checkLayers(ctx, m); err != nil {
		if errors.Is(err, fault.Unavailable) {
			err = fault.Wrap(fault.Unavailable, err, "image %s cannot be made again", m.Label()).WithHint("%s", m.anew(m.Origin, m.Source))
		}
		return nil, err
	}
	base, found, err := s.BaseImage(ctx, m)
	if err != nil {
		return nil, err
	}
	if found && s.verify(ctx, base) == nil {
		info := Info{Architecture: m.Architecture, Variant: m.Variant, OS: m.OS, Config: m.Config}
		return s.layers.OverRootfs(ctx, s.store.RootfsPath(base), info, s.LayerFiles(m))
	}
	below, err := s.reopen(ctx, m, m.Base.Origin, m.Base.Source, m.Base.Digest, p)
	if err != nil {
		return nil, err
	}
	if digest := below.Info().Digest; digest != "" && digest != m.Base.Digest {
		err := fault.New(fault.Conflict, "the image below %s had the digest %s, and %s has %s now", m.Label(), short(m.Base.Digest), m.Base.Source, short(digest)).
			WithHint("%s", m.anew(m.Origin, m.Source))
		return nil, errors.Join(err, below.Close())
	}
	return s.layers.Over(below, s.LayerFiles(m))
}
