package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/ociarchive"
	"github.com/bangervm/banger/internal/operation"
)

// commits implements vm.Commits.
type commits struct{ images *image.Service }

func (c commits) Commit(ctx context.Context, req image.CommitRequest, disk string, placed []string, p operation.Progress) (image.Image, error) {
	base, err := c.images.ByID(ctx, req.Base)
	if err != nil {
		return image.Image{}, err
	}
	if err := c.images.Usable(base); err != nil { // Commit reads it, and tells more
		return image.Image{}, err
	}
	below, lower, err := openDisk(ctx, c.images.Rootfs(base))
	if err != nil {
		return image.Image{}, err
	}
	defer below.Close() //nolint:errcheck // read only
	above, upper, err := openDisk(ctx, disk)
	if err != nil {
		return image.Image{}, err
	}
	defer above.Close() //nolint:errcheck // read only
	for _, dir := range agentrpc.GuestCommandDirs() {
		placed = append(placed, path.Join(dir, agentrpc.GuestCommand))
	}
	content := &system{
		tree: guesttree.Source{Image: lower, Disk: upper, Own: image.OfVM(placed), Made: madeAtStart},
		info: image.Info{Architecture: base.Architecture, OS: base.OS, Config: base.Config},
	}
	return c.images.Commit(ctx, req, content, p)
}

// madeAtStart reports whether the agent makes a directory at the path in a guest whose image
// lacks it: a mount point, or what that is in.
func madeAtStart(file string) bool {
	for _, at := range agentrpc.MountPoints() {
		for ; at != "/"; at = path.Dir(at) {
			if match, _ := path.Match(at, file); match { // the patterns are good
				return true
			}
		}
	}
	return false
}

// system implements image.Changes: the files of a VM that does not run.
type system struct {
	tree guesttree.Source
	info image.Info
}

func (s *system) Info() image.Info { return s.info }

func (s *system) Close() error { return nil }

func (s *system) WriteLayer(ctx context.Context, _ operation.Progress, dir string) (image.Layer, error) {
	return ociarchive.Store(ctx, dir, func(ctx context.Context, w io.Writer) error {
		return guesttree.WriteLayer(ctx, w, s.tree)
	})
}

// Unpack implements image.Content.
func (s *system) Unpack(ctx context.Context, p operation.Progress, write func(io.Reader) error) error {
	p.Stage(image.StageRead)
	r, w := io.Pipe()
	sum := sha256.New()
	read := make(chan error, 1)
	go func() {
		err := guesttree.WriteTar(ctx, io.MultiWriter(w, sum), s.tree)
		read <- err
		w.CloseWithError(err)
	}()
	err := write(r)
	if err == nil { // it may have ended before the stream did
		_, err = io.Copy(io.Discard, r)
	}
	_ = r.CloseWithError(err)
	if readErr := <-read; err == nil {
		err = readErr
	}
	s.info.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return err
}

var _ image.Changes = (*system)(nil)
