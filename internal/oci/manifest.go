package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

const (
	maxManifestBytes = 4 << 20 // as in the distribution specification
	maxConfigBytes   = 8 << 20
	maxLayers        = 512 // four times what docker can stack; each holds an open file
)

// origin is where manifests and blobs come from.
type origin interface {
	// manifest returns the manifest or index with this digest, unverified.
	manifest(ctx context.Context, d v1.Descriptor) ([]byte, error)
	// blob returns its bytes, unverified.
	blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
	// local returns the blob when it can be read at any place, else nil.
	local(d v1.Descriptor) io.ReaderAt
	// remote says that blobs belong into the cache.
	remote() bool
}

// fromManifest reads down from a manifest or index, whose bytes are verified, to
// the image for the wanted host.
func (c *Client) fromManifest(ctx context.Context, raw []byte, mediaType types.MediaType, want host, o origin) (*content, error) {
	s := &search{client: c, want: want, origin: o}
	return s.document(ctx, raw, mediaType, 0)
}

// isIndex goes by the document where the media type is missing.
func isIndex(raw []byte, mediaType types.MediaType) bool {
	if mediaType.IsIndex() || mediaType.IsImage() {
		return mediaType.IsIndex()
	}
	var probe struct {
		Manifests json.RawMessage `json:"manifests"`
	}
	return json.Unmarshal(raw, &probe) == nil && len(probe.Manifests) > 0
}

func (s *search) fromImageManifest(ctx context.Context, raw []byte, mediaType types.MediaType) (*content, error) {
	c, o := s.client, s.origin
	if mediaType == types.DockerManifestSchema1 || mediaType == types.DockerManifestSchema1Signed {
		return nil, fault.New(fault.Invalid, "the image has Docker's schema 1, which no current tool builds").
			WithHint("push it again with a current tool")
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the image's manifest")
	}
	if m.SchemaVersion != 2 || len(m.Layers) > maxLayers {
		return nil, fault.New(fault.Invalid, "the image's manifest has schema version %d and %d layers", m.SchemaVersion, len(m.Layers))
	}
	if !m.Config.MediaType.IsConfig() {
		return nil, &unsuitable{fault: fault.New(fault.Invalid, "it is not an image: its configuration has the media type %q", m.Config.MediaType)}
	}
	if err := checkDescriptor(m.Config, "configuration"); err != nil {
		return nil, err
	}
	rawConfig, err := c.readConfig(ctx, m.Config, o)
	if err != nil {
		return nil, err
	}
	config, err := parseConfig(rawConfig)
	if err != nil {
		return nil, err
	}
	out, err := c.newContent(s.want, digestOf(raw), config, len(m.Layers))
	if err != nil {
		return nil, err
	}
	if o.remote() {
		out.documents = [][]byte{raw, rawConfig}
	}
	out.layers, err = layersOf(m, config, o)
	return out, err
}

// layersOf are the manifest's layers. The configuration has as many.
func layersOf(m *v1.Manifest, config *imageConfig, o origin) ([]layer, error) {
	layers := make([]layer, 0, len(m.Layers))
	for i, d := range m.Layers {
		if err := checkDescriptor(d, "layer"); err != nil {
			return nil, err
		}
		if !isLayer(d.MediaType) {
			return nil, fault.New(fault.Invalid, "layer %s has the media type %q, which is not a file system", short(d.Digest.String()), d.MediaType)
		}
		layers = append(layers, layer{
			what:   fmt.Sprintf("layer %d of %d (%s)", i+1, len(m.Layers), short(d.Digest.String())),
			digest: d.Digest.String(), size: d.Size, diffID: config.RootFS.DiffIDs[i].String(),
			open:      func(ctx context.Context) (io.ReadCloser, error) { return o.blob(ctx, d) },
			local:     o.local(d),
			remote:    o.remote(),
			elsewhere: elsewhere(o, d),
		})
	}
	return layers, nil
}

// elsewhere is nil where there is one place only.
func elsewhere(o origin, d v1.Descriptor) func(error) bool {
	e, ok := o.(*endpoints)
	if !ok {
		return nil
	}
	return func(err error) bool { return e.elsewhere(d, err) }
}

func isLayer(t types.MediaType) bool {
	return t.IsLayer() || t == types.OCILayerZStd || strings.HasPrefix(string(t), "application/vnd.oci.image.layer.") ||
		t == "application/vnd.docker.image.rootfs.diff.tar.zstd"
}

func checkDescriptor(d v1.Descriptor, what string) error {
	if !image.ValidDigest(d.Digest.String()) {
		return fault.New(fault.Invalid, "a %s of the image has the digest %q; only sha256 is supported", what, d.Digest)
	}
	if d.Size < 0 {
		return fault.New(fault.Invalid, "%s %s has the size %d", what, short(d.Digest.String()), d.Size)
	}
	return nil
}

func (c *Client) readConfig(ctx context.Context, d v1.Descriptor, o origin) ([]byte, error) {
	if o.remote() {
		if raw := c.cache.document(d.Digest.String(), maxConfigBytes); raw != nil {
			return raw, nil
		}
	}
	r, err := o.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return readAll(r, "configuration "+short(d.Digest.String()), d.Digest.String(), d.Size, maxConfigBytes)
}

// imageConfig is an image's configuration. health is what the library's type cannot hold.
type imageConfig struct {
	*v1.ConfigFile
	health *image.HealthCheck
}

func parseConfig(raw []byte) (*imageConfig, error) {
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the image's configuration")
	}
	health, err := healthCheck(raw)
	if err != nil {
		return nil, err
	}
	return &imageConfig{ConfigFile: config, health: health}, nil
}

// newContent checks what the configuration says of the image.
func (c *Client) newContent(want host, digest string, config *imageConfig, layers int) (*content, error) {
	platform := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	if _, ok := want.runs(platform); !ok {
		return nil, want.foreign(platformText(platform))
	}
	if len(config.RootFS.DiffIDs) != layers {
		return nil, fault.New(fault.Invalid, "the image has %d layers, but its configuration lists %d", layers, len(config.RootFS.DiffIDs))
	}
	return &content{client: c, info: image.Info{
		Digest: digest, Architecture: want.arch, Variant: want.asked.Variant, OS: "linux",
		Config: image.Config{
			Env: config.Config.Env, Entrypoint: config.Config.Entrypoint, Cmd: config.Config.Cmd,
			WorkingDir: config.Config.WorkingDir, User: config.Config.User,
			StopSignal: config.Config.StopSignal, ExposedPorts: slices.Sorted(maps.Keys(config.Config.ExposedPorts)),
			Volumes: slices.Sorted(maps.Keys(config.Config.Volumes)), Labels: config.Config.Labels, HealthCheck: config.health,
		},
	}}, nil
}
