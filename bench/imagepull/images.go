package main

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ownBytes is what an image has beside the base that it shares.
const ownBytes = 1 << 20

// writeImages writes the image "base" of one layer, the tar root, and images "app-N" of
// that and another small layer.
func writeImages(dir, root string, apps int) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	base, err := tarball.LayerFromFile(root, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return err
	}
	if err := writeImage(path, "base", base); err != nil {
		return err
	}
	for n := range apps {
		own, err := smallLayer(fmt.Sprintf("srv/app-%d", n))
		if err != nil {
			return err
		}
		if err := writeImage(path, fmt.Sprintf("app-%d", n), base, own); err != nil {
			return err
		}
	}
	return nil
}

func writeImage(path layout.Path, tag string, layers ...v1.Layer) error {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, layers...)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	return path.AppendImage(img, layout.WithAnnotations(map[string]string{refName: tag}))
}

// refName is the annotation of a layout's index that names an image: the OCI image
// specification, "Pre-Defined Annotation Keys".
const refName = "org.opencontainers.image.ref.name"

// smallLayer has one file of random bytes.
func smallLayer(name string) (v1.Layer, error) {
	content := make([]byte, ownBytes)
	_, _ = rand.Read(content) // never fails: see crypto/rand
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: ownBytes}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}
