package daemon

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/ociarchive"
	"github.com/bangervm/banger/internal/regularfile"
)

// imageArchives implements image.Archives.
type imageArchives struct {
	images *image.Service
	client *oci.Client
}

// Open returns the archive of the layers that the image was made of, as far as they are
// there and whole: those that were pulled, those that were committed over the base. Else
// it has one layer of all files.
func (a imageArchives) Open(ctx context.Context, m image.Image) (image.Saved, error) {
	ways := []func(context.Context, image.Image, *savedImage) error{a.pulled, a.merged}
	if m.Base != nil {
		ways = []func(context.Context, image.Image, *savedImage) error{a.overPulled, a.overBase, a.merged}
	}
	var lost error
	for _, way := range ways {
		saved := &savedImage{}
		err := way(ctx, m, saved)
		if err == nil && saved.Archive != nil {
			if lost != nil {
				saved.form.Lost = lost.Error()
			}
			return saved, nil
		}
		if closeErr := saved.Close(); closeErr != nil || err != nil && !errors.Is(err, fault.Unavailable) {
			return nil, errors.Join(err, closeErr)
		}
		if err != nil {
			lost = err
		}
	}
	return nil, lost
}

// savedImage is an archive whose files are open.
type savedImage struct {
	*ociarchive.Archive
	form image.Form
	open []io.Closer
}

func (s *savedImage) Form() image.Form { return s.form }

func (s *savedImage) Close() error {
	var errs []error
	for _, c := range s.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (a imageArchives) pulled(ctx context.Context, m image.Image, s *savedImage) error {
	cached, layers, err := a.cached(ctx, m.Digest, s)
	if err != nil || cached == nil {
		return err
	}
	s.form.Pulled = len(layers)
	s.Archive, err = ociarchive.AsIs(m.Name, m.CreatedAt, cached.MediaType, cached.Manifest, cached.Config, layers)
	return err
}

// overPulled has the base's layers as they were pulled.
func (a imageArchives) overPulled(ctx context.Context, m image.Image, s *savedImage) error {
	cached, layers, err := a.cached(ctx, m.Base.Digest, s)
	if err != nil || cached == nil {
		return err
	}
	own, err := a.own(ctx, m, s)
	if err != nil {
		return err
	}
	s.form.Pulled = len(layers)
	s.Archive, err = ociarchive.New(m.Name, m.Manifest, cached.Config, append(layers, own...))
	return err
}

// overBase has the base's files as one layer.
func (a imageArchives) overBase(ctx context.Context, m image.Image, s *savedImage) error {
	base, found, err := a.images.BaseImage(ctx, m.Manifest)
	if err != nil || !found {
		return err
	}
	own, err := a.own(ctx, m, s)
	if err != nil {
		return err
	}
	return a.filesOf(ctx, m, base, own, s)
}

func (a imageArchives) merged(ctx context.Context, m image.Image, s *savedImage) error {
	return a.filesOf(ctx, m, m.Manifest, nil, s)
}

// filesOf has all files of the image files as one layer, and more layers over it.
func (a imageArchives) filesOf(ctx context.Context, m image.Image, files image.Manifest, more []ociarchive.Blob, s *savedImage) error {
	f, fs, err := openDisk(ctx, a.images.Rootfs(files))
	if err != nil {
		if changed := a.images.Whole(ctx, files); changed != nil {
			return changed
		}
		return err
	}
	s.open = append(s.open, f)
	all, err := ociarchive.Measure(ctx, func(ctx context.Context, w io.Writer) error {
		return guesttree.WriteTar(ctx, w, guesttree.Source{Image: fs})
	})
	// Afterwards: what changes from now on, Write notices.
	if changed := a.images.Whole(ctx, files); changed != nil {
		return changed
	}
	if err != nil {
		return err
	}
	s.form.Merged = 1
	s.Archive, err = ociarchive.New(m.Name, m.Manifest, nil, append([]ociarchive.Blob{all}, more...))
	return err
}

// cached returns the image with this digest, and its layers, or nil when the cache has not
// all of it.
func (a imageArchives) cached(ctx context.Context, digest string, s *savedImage) (*oci.Cached, []ociarchive.Blob, error) {
	cached, err := a.client.Cached(ctx, digest)
	if err != nil || cached == nil {
		return nil, nil, err
	}
	s.open = append(s.open, cached)
	var layers []ociarchive.Blob
	for _, l := range cached.Layers {
		blob, err := ociarchive.InFile(ctx, l.File, ociarchive.Blob{MediaType: l.MediaType, Digest: l.Digest, DiffID: l.DiffID, Size: l.Size})
		if err != nil {
			return nil, nil, err
		}
		layers = append(layers, blob)
	}
	return cached, layers, nil
}

// own returns the layers that commits added.
func (a imageArchives) own(ctx context.Context, m image.Image, s *savedImage) (layers []ociarchive.Blob, err error) {
	for _, l := range a.images.LayerFiles(m.Manifest) {
		f, err := openLayer(l)
		if err != nil {
			return nil, err
		}
		s.open = append(s.open, f)
		blob, err := ociarchive.InFile(ctx, f, ociarchive.Blob{
			MediaType: l.MediaType, Digest: l.Digest, DiffID: l.DiffID, Size: l.Bytes, CreatedAt: l.CreatedAt, CreatedBy: "changes of a VM",
		})
		if err != nil {
			return nil, err
		}
		layers = append(layers, blob)
	}
	s.form.Committed = len(layers)
	return layers, nil
}

// openDisk opens the filesystem in a file, which the caller closes.
func openDisk(ctx context.Context, path string) (*os.File, *ext4.FS, error) {
	f, info, err := regularfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	fs, err := ext4.Open(ctx, f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, fs, nil
}
