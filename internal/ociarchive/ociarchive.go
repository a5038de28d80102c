// Package ociarchive writes an image as an archive in the OCI image layout: one layer,
// its configuration and its manifest in a tar. The same image gives the same bytes.
package ociarchive

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

const (
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"

	// nameKey is the annotation by which an image of a layout is found.
	nameKey = "org.opencontainers.image.ref.name"
)

// Layer writes the image's files to w as an uncompressed tar. It is called twice, and
// must write the same both times.
type Layer func(ctx context.Context, w io.Writer) error

// Archive is an image that can be written.
type Archive struct {
	layer Layer
	blob  descriptor
	// config, manifest and index are JSON.
	config, manifest, index []byte
	created                 time.Time
}

// Prepare reads the layer once, to know its digest. An error of the layer is returned
// as it is. Name is what the archive calls the image; it may be empty.
func Prepare(ctx context.Context, name string, m image.Manifest, layer Layer) (*Archive, error) {
	hash := sha256.New()
	counted := &counter{w: hash}
	if err := layer(ctx, counted); err != nil {
		return nil, err
	}
	a := &Archive{layer: layer, blob: descriptor{
		MediaType: layerType, Digest: "sha256:" + hex.EncodeToString(hash.Sum(nil)), Size: counted.n,
	}}
	return a, a.describe(name, m)
}

// descriptor points at a blob. The fields are in the order of the JSON.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func (a *Archive) describe(name string, m image.Manifest) (err error) {
	a.created = m.CreatedAt.UTC().Truncate(time.Second)
	if a.config, err = json.Marshal(configOf(m, a.created, a.blob.Digest)); err != nil {
		return err
	}
	type document struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        *descriptor  `json:"config,omitempty"`
		Layers        []descriptor `json:"layers,omitempty"`
		Manifests     []descriptor `json:"manifests,omitempty"`
	}
	config := blobOf(configType, a.config)
	a.manifest, err = json.Marshal(document{SchemaVersion: 2, MediaType: manifestType, Config: &config, Layers: []descriptor{a.blob}})
	if err != nil {
		return err
	}
	entry := blobOf(manifestType, a.manifest)
	if name != "" {
		entry.Annotations = map[string]string{nameKey: name}
	}
	a.index, err = json.Marshal(document{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{entry}})
	return err
}

func blobOf(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data))}
}

// Write writes the archive, the layer last. A layer that is another than before is a
// fault Conflict. It ends with ctx's error when that ends.
func (a *Archive) Write(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: a.created}); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", a.index},
		{blobName(blobOf(manifestType, a.manifest)), a.manifest},
		{blobName(blobOf(configType, a.config)), a.config},
	} {
		if err := a.header(tw, file.name, int64(len(file.data))); err != nil {
			return err
		}
		if _, err := tw.Write(file.data); err != nil {
			return err
		}
	}
	if err := a.header(tw, blobName(a.blob), a.blob.Size); err != nil {
		return err
	}
	hash := sha256.New()
	if err := a.layer(ctx, io.MultiWriter(tw, hash)); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != a.blob.Digest {
		return fault.New(fault.Conflict, "the image changed while it was read").WithHint("try again")
	}
	return tw.Close()
}

func (a *Archive) header(tw *tar.Writer, name string, size int64) error {
	err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: a.created})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func blobName(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
