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
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// refName is the annotation that holds a tag: OCI image layout specification.
const refName = "org.opencontainers.image.ref.name"

// directory is a store. Names cannot lead out of it.
type directory struct {
	root *os.Root

	mu   sync.Mutex
	open []io.Closer
}

func (d *directory) section(name string) (*io.SectionReader, error) {
	f, err := d.root.Open(name)
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
	root, err := os.OpenRoot(ref.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "no directory %s", ref.Path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.PermissionDenied, "%s may not be read", ref.Path)
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "%s cannot be opened", ref.Path)
	}
	return c.fromLayout(ctx, ref, &directory{root: root})
}

// fromLayout finds the image that the tag, or else the index, names. It closes
// the store, or leaves that to the content.
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
		return nil, fault.Wrap(fault.Invalid, err, "index.json cannot be read")
	}
	d, err := c.chooseTag(index.Manifests, ref.Tag)
	if err != nil {
		return nil, err
	}
	if err := checkDescriptor(d, "manifest"); err != nil {
		return nil, err
	}
	o := &layout{store: s}
	unverified, err := o.manifest(ctx, d)
	if err != nil {
		return nil, err
	}
	what := "manifest " + short(d.Digest.String())
	manifest, err := readAll(bytes.NewReader(unverified), what, d.Digest.String(), d.Size, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	return c.fromManifest(ctx, manifest, d.MediaType, o)
}

func (c *Client) chooseTag(manifests []v1.Descriptor, tag string) (v1.Descriptor, error) {
	var tags []string
	for _, d := range manifests {
		name := d.Annotations[refName]
		// Some tools put the whole reference there.
		if tag != "" && (name == tag || strings.HasSuffix(name, ":"+tag)) {
			return d, nil
		}
		if name != "" {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	switch {
	case tag != "":
		return v1.Descriptor{}, fault.New(fault.NotFound, "it has no tag %q; it has: %s", tag, strings.Join(tags, ", "))
	case len(manifests) == 1:
		return manifests[0], nil
	case len(tags) > 1:
		return v1.Descriptor{}, fault.New(fault.Invalid, "it has several images: %s", strings.Join(tags, ", ")).
			WithHint("name one: oci:DIR:TAG")
	}
	return c.choose(manifests)
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
		return nil, fault.Wrap(fault.Invalid, err, "the blob %s cannot be read", d.Digest)
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
