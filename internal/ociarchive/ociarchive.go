// Package ociarchive writes an image as an archive in the OCI image layout: its layers,
// its configuration and its manifest in a tar. The same image gives the same bytes. It also
// stores the layers that commits add.
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
	gzipType     = layerType + "+gzip"
	zstdType     = layerType + "+zstd"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"

	// nameKey is the annotation by which an image of a layout is found.
	nameKey = "org.opencontainers.image.ref.name"
)

// Layer writes a layer to w. It may be called more than once, and must write the same
// each time.
type Layer func(ctx context.Context, w io.Writer) error

// Archive is an image that can be written.
type Archive struct {
	layers []Blob
	// config, manifest and index are JSON.
	config, manifest, index []byte
	// entry is what the index says of the manifest.
	entry   descriptor
	created time.Time
}

// descriptor points at a blob. The fields are in the order of the JSON.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// document is a manifest or an index.
type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
}

// New returns the archive of an image with these layers, the lowest first. Name is what
// the archive calls the image; it may be empty. Below is the configuration of the image
// that the first layers are of, whose properties and history it keeps; nil: there is none.
func New(name string, m image.Manifest, below []byte, layers []Blob) (*Archive, error) {
	a := &Archive{layers: layers, created: m.CreatedAt.UTC().Truncate(time.Second)}
	config, err := configOf(m, below, layers, a.created)
	if err != nil {
		return nil, err
	}
	doc := document{SchemaVersion: 2, MediaType: manifestType}
	for _, l := range layers {
		doc.Layers = append(doc.Layers, descriptor{MediaType: ociType(l.MediaType), Digest: l.Digest, Size: l.Size})
	}
	entry := blobOf(configType, config)
	doc.Config = &entry
	manifest, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return a, a.describe(name, blobOf(manifestType, manifest), manifest, config)
}

// AsIs returns the archive of an image as somebody else made it: with its own manifest, of
// that media type, and configuration, and so its digest. Created is the time of the files
// in the archive.
func AsIs(name string, created time.Time, mediaType string, manifest, config []byte, layers []Blob) (*Archive, error) {
	a := &Archive{layers: layers, created: created.UTC().Truncate(time.Second)}
	return a, a.describe(name, blobOf(mediaType, manifest), manifest, config)
}

// Digest is sha256:… of the manifest.
func (a *Archive) Digest() string { return a.entry.Digest }

func (a *Archive) describe(name string, entry descriptor, manifest, config []byte) (err error) {
	a.manifest, a.config, a.entry = manifest, config, entry
	if name != "" {
		entry.Annotations = map[string]string{nameKey: name}
	}
	a.index, err = json.Marshal(document{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{entry}})
	return err
}

// ociType is the media type of a layer of Docker's in a manifest of OCI's.
func ociType(mediaType string) string {
	switch mediaType {
	case "application/vnd.docker.image.rootfs.diff.tar":
		return layerType
	case "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return gzipType
	case "application/vnd.docker.image.rootfs.diff.tar.zstd":
		return zstdType
	}
	return mediaType
}

func blobOf(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data))}
}

// Write writes the archive, the layers last, each once. A layer that is another than before
// is a fault Conflict. It ends with ctx's error when that ends.
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
		{blobName(a.entry.Digest), a.manifest},
		{blobName(blobOf(configType, a.config).Digest), a.config},
	} {
		if err := a.header(tw, file.name, int64(len(file.data))); err != nil {
			return err
		}
		if _, err := tw.Write(file.data); err != nil {
			return err
		}
	}
	written := map[string]bool{}
	for _, l := range a.layers {
		if written[l.Digest] {
			continue
		}
		written[l.Digest] = true
		if err := a.blob(ctx, tw, l); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (a *Archive) blob(ctx context.Context, tw *tar.Writer, l Blob) error {
	if err := a.header(tw, blobName(l.Digest), l.Size); err != nil {
		return err
	}
	got := newSum(tw)
	if err := l.Write(ctx, got); err != nil {
		return err
	}
	if got.digest() != l.Digest {
		return fault.New(fault.Conflict, "the image changed while it was read").WithHint("try again")
	}
	return nil
}

func (a *Archive) header(tw *tar.Writer, name string, size int64) error {
	err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: a.created})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func blobName(digest string) string { return "blobs/sha256/" + digest[len("sha256:"):] }
