package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// directory is a store. Names cannot lead out of it.
type directory struct {
	root *os.Root

	mu   sync.Mutex
	open []io.Closer
}

func (d *directory) section(name string) (*io.SectionReader, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe may have no writer
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is not a regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, f)
	return io.NewSectionReader(f, 0, info.Size()), nil
}

// Close closes the directory and all files that were opened in it.
func (d *directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	errs := []error{d.root.Close()}
	for _, f := range d.open {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (c *Client) openLayout(ctx context.Context, ref image.Ref) (image.Content, error) {
	ref = locate(ref, func(mode fs.FileMode) bool { return mode.IsDir() })
	root, err := os.OpenRoot(ref.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "no directory %s", ref.Path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.PermissionDenied, "cannot read %s: permission denied", ref.Path)
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "cannot open %s", ref.Path)
	}
	return c.fromLayout(ctx, ref, &directory{root: root})
}

// fromLayout finds the image that the reference names. It closes the store, or
// leaves that to the content.
func (c *Client) fromLayout(ctx context.Context, ref image.Ref, s store) (image.Content, error) {
	out, err := c.readLayout(ctx, ref, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, errors.Join(err, s.Close()))
	}
	out.source = s
	return out, nil
}

func (c *Client) readLayout(ctx context.Context, ref image.Ref, s store) (*content, error) {
	raw, err := readMember(s, "index.json", "an OCI layout", maxManifestBytes)
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read index.json")
	}
	manifests, err := named(index.Manifests, ref)
	if err != nil {
		return nil, err
	}
	look := &search{client: c, want: c.host.aimed(ref.Platform), origin: &layout{store: s}}
	found, err := look.choose(ctx, manifests, 0)
	if err != nil {
		return nil, err
	}
	return one(found, string(ref.Kind)+":"+ref.Path)
}

// layout is an origin.
type layout struct{ store store }

func (l *layout) remote() bool { return false }

func blobName(d v1.Descriptor) string { return path.Join("blobs", d.Digest.Algorithm, d.Digest.Hex) }

func (l *layout) local(d v1.Descriptor) io.ReaderAt {
	section, err := l.store.section(blobName(d))
	if err != nil {
		return nil // blob says why
	}
	return section
}

func (l *layout) blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	section, err := l.store.section(blobName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "the blob %s is missing", d.Digest)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the blob %s", d.Digest)
	}
	return io.NopCloser(section), nil
}

func (l *layout) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	r, err := l.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxManifestBytes+1))
}
