package daemon

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/ociarchive"
)

// imageArchives implements image.Archives.
type imageArchives struct{ images *image.Service }

func (a imageArchives) Open(ctx context.Context, m image.Image) (image.Saved, error) {
	f, fs, err := openDisk(ctx, a.images.Rootfs(m.Manifest))
	if err != nil {
		return nil, err
	}
	archive, err := ociarchive.Prepare(ctx, m.Name, m.Manifest, func(ctx context.Context, w io.Writer) error {
		return guesttree.WriteTar(ctx, w, guesttree.Source{Image: fs})
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return savedImage{archive, f}, nil
}

// savedImage is an archive whose image is open.
type savedImage struct {
	*ociarchive.Archive
	io.Closer
}

// openDisk opens the filesystem in a file, which the caller closes.
func openDisk(ctx context.Context, path string) (*os.File, *ext4.FS, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	fs, err := ext4.Open(ctx, f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, fs, nil
}
