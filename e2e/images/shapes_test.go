//go:build e2e

package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/e2e/fixture"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
)

// layers of an image that change one another in most of the ways that there are.
func layers(t *testing.T) []v1.Layer {
	t.Helper()
	again := fixture.Hardlink("etc/passwd-", "etc/passwd")
	again.Mode = 0o644 // umoci leaves the file's mode, engines take the link's
	owned := fixture.File("home/me/note", 0o640, "mine")
	owned.Uid, owned.Gid = 1000, 70000
	suid := fixture.File("bin/su", 0o4755, "su")
	suid.PAXRecords = map[string]string{"SCHILY.xattr.user.note": "x"}
	null := fixture.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}}
	pipe := fixture.Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "run/pipe", Mode: 0o600}}
	return []v1.Layer{
		gzipped(t, fixture.Dir("bin", 0o755), fixture.Dir("dev", 0o755), fixture.Dir("etc", 0o755), fixture.Dir("home", 0o755), fixture.Dir("home/me", 0o700),
			fixture.Dir("run", 0o755), fixture.Dir("tmp", 0o1777), fixture.Dir("old", 0o755), fixture.Dir("old/deep", 0o755),
			suid, null, pipe, owned, fixture.File("etc/gone", 0o644, "x"), fixture.File("etc/passwd", 0o644, "root\n"), fixture.File("old/deep/file", 0o644, "y"),
			again, fixture.Symlink("lib", "usr/lib"), fixture.Dir("usr", 0o755), fixture.Dir("usr/lib", 0o755)),
		gzipped(t),
		gzipped(t, fixture.Dir("etc", 0o755), fixture.File("etc/.wh.gone", 0o644, ""), fixture.File("etc/passwd", 0o644, "root\nme\n"),
			fixture.Dir("old", 0o750), fixture.File("old/.wh..wh..opq", 0o644, ""), fixture.File("old/new", 0o600, "z"), fixture.File("usr/lib/libc.so", 0o755, "elf")),
	}
}

// TestCompressions has a registry for each: skopeo pushes no layer again that is
// there.
func TestCompressions(t *testing.T) {
	need(t, "umoci")
	dir := saved(t, imageFor(t, "amd64", layers(t)...))
	want := unpacked(t, dir)
	for name, test := range map[string]struct {
		options []string
		proof   string // in the manifest
	}{
		"gzip":         {[]string{"--format", "oci"}, "tar+gzip"},
		"zstd":         {[]string{"--format", "oci", "--dest-compress-format", "zstd"}, "tar+zstd"},
		"zstd-chunked": {[]string{"--format", "oci", "--dest-compress-format", "zstd:chunked"}, "zstd-chunked.manifest-checksum"},
		"docker":       {[]string{"--format", "v2s2"}, "application/vnd.docker.image.rootfs.diff.tar.gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRegistry(t)
			ref := r.push(t, "oci:"+dir+":it", "shapes/"+name+":1", test.options...)
			if raw := r.manifest(t, ref); strings.Count(raw, test.proof) != 3 {
				t.Fatalf("skopeo pushed %s; want three layers with %s", raw, test.proof)
			}
			disk, _ := r.pull(t, ref)
			same(t, want, ofDisk(t, disk))
		})
	}
}

func TestNoLoginAndNoCA(t *testing.T) {
	r := startRegistry(t)
	ref := r.push(t, "oci:"+saved(t, imageFor(t, "amd64", layers(t)...))+":it", "private:1")
	parsed, err := image.ParseRef(ref)
	check(t, err)
	if _, err := oci.NewClient(t.TempDir(), oci.Options{Architecture: "amd64"}).Open(t.Context(), parsed, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its CA: %v", err)
	}
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(t.TempDir(), "none"))
	if _, err := oci.NewClient(t.TempDir(), oci.Options{Architecture: "amd64", Registries: r.access}).Open(t.Context(), parsed, nil); err == nil || !strings.Contains(err.Error(), "does not show") {
		t.Errorf("without a login: %v", err)
	}
}

// TestIndexOfVariants: of what a CPU of level 2 runs, the plainest; or what is asked for.
func TestIndexOfVariants(t *testing.T) {
	r := startRegistry(t)
	for name, test := range map[string]struct {
		platforms []string
		asked     string
		want      string
	}{
		"all":           {[]string{"amd64/v3", "amd64/v2", "arm64/v8", "amd64", "arm/v7", "s390x"}, "", "amd64"},
		"no plain one":  {[]string{"amd64/v4", "amd64/v3", "amd64/v2", "arm64"}, "", "amd64/v2"},
		"attested":      {[]string{"unknown", "amd64", "unknown"}, "", "amd64"},
		"one of others": {[]string{"arm64", "ppc64le", "amd64"}, "", "amd64"},
		"asked for":     {[]string{"amd64", "arm/v6", "arm/v7", "arm64/v8"}, "linux/arm64", "arm64/v8"},
		"a variant":     {[]string{"amd64", "arm/v7", "arm/v6", "arm64"}, "linux/arm/v6", "arm/v6"},
	} {
		t.Run(name, func(t *testing.T) {
			index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
			for i, platform := range test.platforms {
				img := imageFor(t, platform, gzipped(t, fixture.File("which", 0o644, platform), fixture.File(fmt.Sprintf("n%d", i), 0o644, "")))
				p := &v1.Platform{OS: "linux"}
				p.Architecture, p.Variant, _ = strings.Cut(platform, "/")
				if platform == "unknown" {
					p.OS = "unknown"
				}
				index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
			}
			dir := filepath.Join(t.TempDir(), "layout")
			at, err := layout.Write(dir, empty.Index)
			check(t, err)
			check(t, at.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "it"})))
			ref := r.push(t, "oci:"+dir+":it", "index/"+strings.ReplaceAll(name, " ", "-")+":1", "--all")
			disk, info := r.pullFor(t, ref, test.asked)
			arch, _, _ := strings.Cut(test.want, "/")
			body, err := digest(strings.NewReader(test.want))
			check(t, err)
			if got := ofDisk(t, disk)["which"]; !strings.Contains(got, body) || info.Architecture != arch {
				t.Errorf("%v: %s of %s, want the one for %s", test.platforms, got, info.Architecture, test.want)
			}
		})
	}
}

func TestManyLayers(t *testing.T) {
	r := startRegistry(t)
	var all []v1.Layer
	for i := range 127 {
		entries := []fixture.Entry{fixture.Dir("d", 0o755), fixture.File(fmt.Sprintf("d/f%d", i), 0o644, fmt.Sprint(i)), fixture.File("d/top", 0o644, fmt.Sprint(i))}
		if i > 0 && i%3 == 0 {
			entries = append(entries, fixture.File(fmt.Sprintf("d/.wh.f%d", i-1), 0o644, ""))
		}
		all = append(all, gzipped(t, entries...))
	}
	dir := saved(t, imageFor(t, "amd64", all...))
	disk, _ := r.pull(t, r.push(t, "oci:"+dir+":it", "many:1"))
	same(t, unpacked(t, dir), ofDisk(t, disk))
}

// TestForeignLayers: a layer that may not be passed on counts like any other if the
// registry has it.
func TestForeignLayers(t *testing.T) {
	r := startRegistry(t)
	var packed bytes.Buffer
	check(t, fixture.Pack(&packed, []fixture.Entry{fixture.Dir("a", 0o755), fixture.File("a/b", 0o600, "x")}))
	img := imageFor(t, "amd64", layerOf(t, packed.Bytes(), types.OCIRestrictedLayer))
	dir := saved(t, img)
	disk, _ := r.pull(t, r.push(t, "oci:"+dir+":it", "foreign:1"))
	same(t, unpacked(t, dir), ofDisk(t, disk))
}

// TestForeignLayersElsewhere: what is not in the registry is not fetched from where the
// manifest says it is. It could name any host that this one reaches.
func TestForeignLayersElsewhere(t *testing.T) {
	r := startRegistry(t)
	var asked atomic.Int32
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	var packed bytes.Buffer
	check(t, fixture.Pack(&packed, []fixture.Entry{fixture.File("a", 0o600, "x")}))
	img := imageFor(t, "amd64", gzipped(t, fixture.File("b", 0o600, "y")))
	img, err := mutate.Append(img, mutate.Addendum{
		Layer: layerOf(t, packed.Bytes(), types.DockerForeignLayer), MediaType: types.DockerForeignLayer,
		URLs: []string{"https://foreign.example/layer", elsewhere.URL + "/layer"},
	})
	check(t, err)
	ref := r.push(t, "oci:"+saved(t, img)+":it", "foreign:2")
	if raw := r.manifest(t, ref); !strings.Contains(raw, elsewhere.URL) {
		t.Fatalf("skopeo pushed %s, without the URLs", raw)
	}
	parsed, err := image.ParseRef(ref)
	check(t, err)
	c := oci.NewClient(t.TempDir(), oci.Options{Registries: r.access, Architecture: "amd64", CPULevel: 2})
	content, err := c.Open(t.Context(), parsed, nil)
	if err == nil {
		err = content.Unpack(t.Context(), silent{}, func(tar io.Reader) error {
			_, err := io.Copy(io.Discard, tar)
			return err
		})
		check(t, content.Close())
	}
	t.Logf("%v", err)
	if err == nil || asked.Load() != 0 {
		t.Errorf("%v, and %d requests elsewhere", err, asked.Load())
	}
}

// large is a tar of one file of a GiB, which takes no memory: by turns a MiB that cannot be
// compressed, always the same, and one of zeros, which becomes a hole.
func large() io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		noise := rand.NewChaCha8([32]byte{})
		buf := make([]byte, 1<<20)
		tw := tar.NewWriter(w)
		err := tw.WriteHeader(&tar.Header{Name: "large", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1 << 30})
		for i := 0; i < 1<<10 && err == nil; i++ {
			clear(buf)
			if i%2 == 0 {
				_, _ = noise.Read(buf) // it never fails
			}
			_, err = tw.Write(buf)
		}
		if err == nil {
			err = tw.Close()
		}
		_ = w.CloseWithError(err)
	}()
	return r
}

// TestALayerOfAGibibyte: it has as much in the registry, since it is stored as it is.
func TestALayerOfAGibibyte(t *testing.T) {
	r := startRegistry(t)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return large(), nil }, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.NoCompression))
	check(t, err)
	if n, err := l.Size(); err != nil || n < 1<<30 {
		t.Fatalf("the layer has %d bytes, %v", n, err)
	}
	dir := saved(t, imageFor(t, "amd64", l, gzipped(t, fixture.File("small", 0o644, "x"))))
	disk, _ := r.pull(t, r.push(t, "oci:"+dir+":it", "large:1"))
	same(t, unpacked(t, dir), ofDisk(t, disk))
}

// TestDebian: a whole distribution, with a layer over it.
func TestDebian(t *testing.T) {
	r := startRegistry(t)
	cache, err := fixture.Open()
	check(t, err)
	path, err := cache.Path(t.Context(), "debian.tar")
	check(t, err)
	base, err := tarball.LayerFromFile(path, tarball.WithMediaType(types.OCILayer))
	check(t, err)
	over := gzipped(t, fixture.Dir("usr", 0o755), fixture.Dir("usr/share", 0o755), fixture.File("usr/share/.wh.doc", 0o644, ""), fixture.File("usr/share/new", 0o644, "x"))
	dir := saved(t, imageFor(t, "amd64", base, over))
	disk, _ := r.pull(t, r.push(t, "oci:"+dir+":it", "debian:12", "--format", "oci", "--dest-compress-format", "zstd"))
	same(t, unpacked(t, dir), ofDisk(t, disk))
}
