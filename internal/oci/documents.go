package oci

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/image"
)

// document returns the manifest or configuration with this digest, or nil when the
// cache has none that is whole.
func (c cache) document(digest string, limit int64) []byte {
	f, err := c.open(digest)
	if err != nil || f == nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil || int64(len(raw)) > limit || digestOf(raw) != digest {
		_ = c.drop(digest) // it is fetched
		return nil
	}
	c.used(digest, time.Now())
	return raw
}

// keepDocument stores a manifest or configuration, with which an image can be made
// again without its registry. One that cannot be stored is fetched then.
func (c cache) keepDocument(raw []byte) {
	digest := digestOf(raw)
	if _, err := os.Stat(c.path(digest)); err == nil {
		return
	}
	k, err := c.keep(bytes.NewReader(raw), digest)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, k)
	_ = k.Close()
}

// Recall implements image.Source, of the cache.
func (c *Client) Recall(ctx context.Context, ref image.Ref) (image.Info, bool) {
	if ref.Kind != image.Registry || ref.Digest == "" {
		return image.Info{}, false
	}
	raw := c.cache.document(ref.Digest, maxManifestBytes)
	if raw == nil {
		return image.Info{}, false
	}
	out, err := c.fromManifest(ctx, raw, "", c.host.aimed(ref.Platform), nobody{})
	if err != nil {
		return image.Info{}, false
	}
	return out.info, true
}

// nobody is an origin with nothing: what is not in the cache is not there.
type nobody struct{}

func (nobody) manifest(context.Context, v1.Descriptor) ([]byte, error) { return nil, os.ErrNotExist }

func (nobody) blob(context.Context, v1.Descriptor) (io.ReadCloser, error) { return nil, os.ErrNotExist }
func (nobody) local(v1.Descriptor) io.ReaderAt                            { return nil }
func (nobody) remote() bool                                               { return true }

// openCached returns the image with the reference's digest if the cache has what
// describes it, or nil. Layers that are not in the cache are fetched from e.
func (c *Client) openCached(ctx context.Context, ref image.Ref, e *endpoints) *content {
	if ref.Digest == "" {
		return nil
	}
	raw := c.cache.document(ref.Digest, maxManifestBytes)
	if raw == nil {
		return nil
	}
	out, err := c.fromManifest(ctx, raw, "", c.host.aimed(ref.Platform), e)
	if err != nil {
		return nil // the registry says it with the reference
	}
	return out
}
