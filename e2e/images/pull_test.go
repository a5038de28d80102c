//go:build e2e

package images

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/e2e/fixture"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/rootfs"
)

// pull writes the image's filesystem into a file.
func (r *registry) pull(t *testing.T, ref string) (disk string, info image.Info) {
	t.Helper()
	return r.pullFor(t, ref, "")
}

// pullFor asks for a platform.
func (r *registry) pullFor(t *testing.T, ref, platform string) (disk string, info image.Info) {
	t.Helper()
	parsed, err := image.ParseRef(ref)
	check(t, err)
	parsed.Platform, err = image.ParsePlatform(platform)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := oci.NewClient(t.TempDir(), oci.Options{Registries: r.access, Architecture: "amd64", CPULevel: 2})
	content, err := c.Open(ctx, parsed, nil)
	check(t, err)
	disk = filepath.Join(t.TempDir(), "rootfs.ext4")
	start := time.Now()
	err = content.Unpack(ctx, silent{}, func(tar io.Reader) error {
		_, err := rootfs.FromTar(ctx, tar, disk, rootfs.Options{})
		return err
	})
	check(t, err)
	t.Logf("%s: unpacked in %.1f s", ref, time.Since(start).Seconds())
	info = content.Info()
	check(t, content.Close())
	return disk, info
}

type silent struct{}

func (silent) Stage(string)               {}
func (silent) Detail(string, ...any)      {}
func (silent) Count(int64, int64, string) {}

// gzipped is a layer of entries, compressed.
func gzipped(t *testing.T, entries ...fixture.Entry) v1.Layer {
	t.Helper()
	var packed bytes.Buffer
	check(t, fixture.Pack(&packed, entries))
	return layerOf(t, packed.Bytes(), types.OCILayer)
}

func layerOf(t *testing.T, tar []byte, media types.MediaType) v1.Layer {
	t.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tar)), nil },
		tarball.WithMediaType(media))
	check(t, err)
	return l
}

// imageFor is an image of the layers, for linux/PLATFORM.
func imageFor(t *testing.T, platform string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config, err := img.ConfigFile()
	check(t, err)
	config = config.DeepCopy()
	config.OS = "linux"
	config.Architecture, config.Variant, _ = strings.Cut(platform, "/")
	img, err = mutate.ConfigFile(img, config)
	check(t, err)
	for _, l := range layers {
		img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "a layer"}})
		check(t, err)
	}
	// A step that changed no file has a history, and no layer.
	config, err = img.ConfigFile()
	check(t, err)
	config = config.DeepCopy()
	config.History = append(config.History, v1.History{CreatedBy: "ENV A=1", EmptyLayer: true})
	img, err = mutate.ConfigFile(img, config)
	check(t, err)
	return img
}

// saved is a layout with the image under the tag "it".
func saved(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	at, err := layout.Write(dir, empty.Index)
	check(t, err)
	check(t, at.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "it"})))
	return dir
}

// unpacked is what umoci makes of it.
func unpacked(t *testing.T, layout string) snapshot {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "bundle")
	run(t, "umoci", "unpack", "--image", layout+":it", bundle)
	defer func() { check(t, os.RemoveAll(bundle)) }()
	return ofDir(t, filepath.Join(bundle, "rootfs"))
}

// same compares entry by entry, but not what is made with every ext4.
func same(t *testing.T, want, got snapshot) {
	t.Helper()
	delete(got, "lost+found")
	if len(want) < 2 {
		t.Fatalf("only %d entries to compare", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("umoci (-) and banger (+) differ:\n%s", diff)
	}
}
