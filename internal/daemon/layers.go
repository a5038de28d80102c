package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/ociarchive"
	"github.com/bangervm/banger/internal/regularfile"
)

// imageLayers implements image.Layers.
type imageLayers struct{ *oci.Client }

func (imageLayers) Check(ctx context.Context, l image.LayerFile) error {
	f, err := openLayer(l)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	_, err = ociarchive.InFile(ctx, f, ociarchive.Blob{Digest: l.Digest, Size: l.Bytes})
	return err
}

func (i imageLayers) OverRootfs(ctx context.Context, path string, info image.Info, layers []image.LayerFile) (image.Content, error) {
	f, disk, err := openDisk(ctx, path)
	if err != nil {
		return nil, err
	}
	return i.OverTar(path, info, func(ctx context.Context, w io.Writer) error {
		return guesttree.WriteTar(ctx, w, guesttree.Source{Image: disk})
	}, f, layers)
}

// openLayer opens the file of a layer, which the caller closes. It is Unavailable when
// there is none.
func openLayer(l image.LayerFile) (*os.File, error) {
	f, _, err := regularfile.Open(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "layer %s is missing", l.Digest)
	}
	return f, err
}
