package oci

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Cached is an image of a registry of which the cache has everything. The caller closes it.
type Cached struct {
	MediaType        string // of the manifest
	Manifest, Config []byte
	Layers           []CachedLayer // the lowest first
}

// CachedLayer is a layer in the cache. Its file stays readable when it is evicted. What is
// in it is not verified.
type CachedLayer struct {
	MediaType, Digest, DiffID string
	Size                      int64 // of the file, in bytes
	File                      *os.File
}

// Close closes the layers' files.
func (c *Cached) Close() error {
	var errs []error
	for _, l := range c.Layers {
		errs = append(errs, l.File.Close())
	}
	return errors.Join(errs...)
}

// Cached returns the image whose manifest has this digest, or nil when the cache has not
// all of it.
func (c *Client) Cached(ctx context.Context, digest string) (*Cached, error) {
	raw := c.cache.document(digest, maxManifestBytes)
	if raw == nil {
		return nil, nil
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil || len(m.Layers) > maxLayers || isIndex(raw, m.MediaType) {
		return nil, nil //nolint:nilerr // it is no image's
	}
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if checkDescriptor(d, "blob") != nil {
			return nil, nil //nolint:nilerr // no image has it
		}
	}
	config := c.cache.document(m.Config.Digest.String(), maxConfigBytes)
	if config == nil {
		return nil, nil
	}
	parsed, err := parseConfig(config)
	if err != nil || len(parsed.RootFS.DiffIDs) != len(m.Layers) {
		return nil, nil //nolint:nilerr // no image has it
	}
	out := &Cached{MediaType: string(manifestType(m)), Manifest: raw, Config: config}
	for i, d := range m.Layers {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, out.Close())
		}
		f, err := c.cache.open(d.Digest.String())
		if err != nil || f == nil {
			return nil, errors.Join(err, out.Close())
		}
		c.cache.used(d.Digest.String(), time.Now())
		out.Layers = append(out.Layers, CachedLayer{
			MediaType: string(d.MediaType), Digest: d.Digest.String(), DiffID: parsed.RootFS.DiffIDs[i].String(), Size: d.Size, File: f,
		})
	}
	return out, nil
}

// manifestType is the media type of a manifest, which may not say it.
func manifestType(m *v1.Manifest) types.MediaType {
	switch {
	case m.MediaType != "":
		return m.MediaType
	case m.Config.MediaType == types.DockerConfigJSON:
		return types.DockerManifestSchema2
	}
	return types.OCIManifestSchema1
}
