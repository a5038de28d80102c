package oci_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci"
)

// member is one manifest of an index, told apart by the file "which" in it.
type member struct {
	which    string
	platform string // "": it does not say
	config   string // platform in the configuration; "": linux/amd64; "none": it has none
	name     string // its annotations
	full     string
	attests  bool
}

func (m member) image(t *testing.T) v1.Image {
	t.Helper()
	raw := makeTar(t, "which", m.which)
	img := makeImage(t, "amd64", makeLayer(t, raw, raw))
	if m.config == "" {
		return img
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	p := parsePlatform(t, strings.TrimPrefix(m.config, "none"))
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func (m member) descriptor(t *testing.T) v1.Descriptor {
	t.Helper()
	d := v1.Descriptor{Annotations: map[string]string{}}
	if m.platform != "" {
		d.Platform = parsePlatform(t, m.platform)
	}
	for key, value := range map[string]string{"org.opencontainers.image.ref.name": m.name, "io.containerd.image.name": m.full} {
		if value != "" {
			d.Annotations[key] = value
		}
	}
	if m.attests {
		d.Annotations["vnd.docker.reference.type"] = "attestation-manifest"
	}
	return d
}

func parsePlatform(t *testing.T, s string) *v1.Platform {
	t.Helper()
	if s == "" {
		return &v1.Platform{}
	}
	s, feature, _ := strings.Cut(s, "+")
	p, err := v1.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	if feature != "" {
		p.OSFeatures = []string{feature}
	}
	return p
}

func makeIndex(t *testing.T, members ...member) v1.ImageIndex {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, m := range members {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: m.image(t), Descriptor: m.descriptor(t)})
	}
	return index
}

// writeIndex makes the members an index.json.
func writeIndex(t *testing.T, members ...member) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := layout.Write(dir, makeIndex(t, members...)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func levelSetup(t *testing.T, level int) setup {
	t.Helper()
	dir := t.TempDir()
	return setup{oci.NewClient(dir, oci.Options{Transport: transport(t), Architecture: "amd64", CPULevel: level}), dir}
}

// TestChoose: which image of an index is taken, from a registry, where the first
// of several counts, and from an index.json, where several are not taken.
func TestChoose(t *testing.T) {
	plain := member{which: "plain", platform: "linux/amd64"}
	v1st, v3rd, v4th := member{which: "v1", platform: "linux/amd64/v1"}, member{which: "v3", platform: "linux/amd64/v3"}, member{which: "v4", platform: "linux/amd64/v4"}
	arm := member{which: "arm", platform: "linux/arm64"}
	unnamed := member{which: "unnamed"}
	unnamedArm := member{which: "unnamed arm", config: "linux/arm64"}
	attestation := member{which: "att", platform: "unknown/unknown"}
	tests := []struct {
		name    string
		members []member
		want    string // which, or a part of the error
		local   string // where an index.json differs
	}{
		{"one", []member{plain}, "plain", ""},
		{"one that does not say", []member{unnamed}, "unnamed", ""},
		{"one that is for another", []member{unnamedArm}, "is for linux/arm64, and this host is linux/amd64", ""},
		{"the other platforms are told", []member{arm, {which: "s", platform: "linux/s390x"}}, "is for linux/arm64, linux/s390x", ""},
		{"the plainest, which comes last", []member{v4th, v3rd, plain}, "plain", ""},
		{"the plainest, which comes first", []member{plain, v3rd}, "plain", ""},
		{"v1 is plain", []member{v3rd, v1st}, "v1", ""},
		{"the plainest of those that run", []member{v4th, v3rd}, "v3", ""},
		{"only one that does not run", []member{v4th}, "is for linux/amd64/v4, and this host is linux/amd64/v3", ""},
		{"one that does not run, by its configuration", []member{{which: "x", config: "linux/amd64/v4"}}, "is for linux/amd64/v4, and this host is linux/amd64/v3", ""},
		{"a variant that is not known", []member{{which: "x", platform: "linux/amd64/v9"}, {which: "y", platform: "linux/amd64/zen"}}, "this host is", ""},
		{"one that says its platform, before those that do not", []member{unnamed, plain}, "plain", ""},
		{"image and attestation", []member{plain, attestation}, "plain", ""},
		{"image and attestation that do not say", []member{unnamed, {which: "att", config: "unknown/unknown"}}, "unnamed", ""},
		{"two that do not say", []member{unnamedArm, unnamed}, "unnamed", ""},
		{"another that says, one of ours that does not", []member{arm, unnamed}, "unnamed", ""},
		{"two of ours that do not say", []member{unnamed, {which: "second"}}, "unnamed", "several images: sha256:"},
		{"two of ours that say", []member{plain, {which: "second", platform: "linux/amd64"}}, "plain", "several images: sha256:"},
		{"the same twice", []member{unnamed, unnamed}, "unnamed", ""},
		{"only an attestation", []member{attestation}, "only attestations", ""},
		{"an annotated attestation", []member{{which: "att", platform: "linux/amd64", attests: true}}, "only attestations", ""},
		{"nothing", nil, "names no images", ""},
		{"uname's spelling", []member{{which: "u", platform: "linux/x86_64", config: "linux/x86_64"}}, "u", ""},
		{"a configuration without a platform", []member{{which: "n", config: "none"}}, "n", ""},
		{"one that asks for a feature of the system", []member{{which: "f", platform: "linux/amd64+nydus"}, plain}, "plain", ""},
	}
	s := newServer(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tag, err := name.NewTag(s.host + "/app:" + strings.Map(letters, test.name))
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.WriteIndex(tag, makeIndex(t, test.members...), remote.WithTransport(transport(t))); err != nil {
				t.Fatal(err)
			}
			checkWhich(t, tag.String(), test.want)
			if test.local == "" {
				test.local = test.want
			}
			checkWhich(t, "oci:"+writeIndex(t, test.members...), test.local)
		})
	}
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// checkWhich pulls on a host of level 3.
func checkWhich(t *testing.T, ref, want string) {
	t.Helper()
	files, _, err := levelSetup(t, 3).pull(t.Context(), mustRef(t, ref), nil)
	switch {
	case err == nil && files["which"] != want:
		t.Errorf("%s is %q, want %q", ref, files["which"], want)
	case err != nil && (!errors.Is(err, fault.Invalid) && !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v (%s), want %q", ref, err, fault.CodeOf(err), want)
	}
}

// TestNamesInLayouts: the image that was named is taken, or none.
func TestNamesInLayouts(t *testing.T) {
	a := member{which: "a", name: "1.0", full: "docker.io/library/a:1.0"}
	b := member{which: "b", name: "1.0", full: "docker.io/library/b:1.0"}
	sameName := writeIndex(t, a, b)
	wholeNames := writeIndex(t, member{which: "a", name: "docker.io/library/a:1.0"}, member{which: "b", name: "docker.io/library/b:1.0"})
	twoNames := writeIndex(t, member{which: "a", name: "latest"}, member{which: "a", name: "stable"})
	latestTwice := writeIndex(t, member{which: "a", name: "latest"}, member{which: "b", name: "latest"})
	platforms := writeIndex(t, member{which: "arm", name: "1", platform: "linux/arm64", config: "linux/arm64"}, member{which: "a", name: "1", platform: "linux/amd64"})
	digest := func(m member) string {
		h, err := m.image(t).Digest()
		if err != nil {
			t.Fatal(err)
		}
		return h.String()
	}
	tests := []struct{ name, ref, want string }{
		{"no name, two images of one tag", sameName, "several images: docker.io/library/a:1.0, docker.io/library/b:1.0"},
		{"a tag that two have", sameName + ":1.0", "several images: docker.io/library/a:1.0, docker.io/library/b:1.0"},
		{"a whole name", sameName + ":docker.io/library/b:1.0", "b"},
		{"its end", sameName + ":b:1.0", "b"},
		{"a name that it does not have", sameName + ":c:1.0", `no image "c:1.0"; it has: docker.io/library/a:1.0, docker.io/library/b:1.0`},
		{"a digest", sameName + "@" + digest(b), "b"},
		{"a digest that it does not have", sameName + "@sha256:" + strings.Repeat("0", 64), "has no image sha256:0000"},
		{"whole names as tags, by one", wholeNames + ":docker.io/library/b:1.0", "b"},
		{"whole names as tags, by the end", wholeNames + ":b:1.0", "b"},
		{"whole names as tags, by the tag", wholeNames + ":1.0", "several images"},
		{"one image of two names", twoNames, "a"},
		{"one image of two names, by one", twoNames + ":stable", "a"},
		{"two images of one name", latestTwice, "several images: sha256:"},
		{"two images of one name, by it", latestTwice + ":latest", "several images: sha256:"},
		{"two images of one name, by digest", latestTwice + "@" + digest(member{which: "b"}), "b"},
		{"two platforms of one name", platforms, "a"},
		{"two platforms of one name, by it", platforms + ":1", "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkWhich(t, "oci:"+test.ref, test.want)
			dir, rest, _ := strings.Cut(test.ref, "/layout")
			checkWhich(t, "oci-archive:"+archiveOf(t, dir+"/layout")+rest, test.want)
		})
	}
	t.Run("the hint can be typed", func(t *testing.T) {
		for _, ref := range []string{sameName, latestTwice, latestTwice + ":latest", sameName + ":1.0"} {
			_, _, err := newSetup(t).pull(t.Context(), mustRef(t, "oci:"+ref), nil)
			_, hint, _ := strings.Cut(fault.HintOf(err).String(), "as in ")
			if _, _, err := newSetup(t).pull(t.Context(), mustRef(t, hint), nil); err != nil {
				t.Errorf("%s: the hint %q leads to %v", ref, hint, err)
			}
		}
	})
}

// TestColonsInPaths: a path that is there is not taken for a name.
func TestColonsInPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a:b:c")
	if err := os.Rename(writeIndex(t, member{which: "x", name: "tag"}), dir); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{dir, dir + ":tag", dir + ":x/y:tag"} {
		_, _, err := newSetup(t).pull(t.Context(), mustRef(t, "oci:"+ref), nil)
		if strings.HasSuffix(ref, "y:tag") != errors.Is(err, fault.NotFound) || err != nil && !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	_, _, err := newSetup(t).pull(t.Context(), mustRef(t, "oci:/nonexistent/x:docker.io/library/b:1"), nil)
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("no such directory: %v", err)
	}
}

func TestDockerArchiveOfSeveral(t *testing.T) {
	tag := func(s string) name.Tag {
		tag, err := name.NewTag(s)
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	file := filepath.Join(t.TempDir(), "all.tar")
	err := tarball.MultiWriteToFile(file, map[name.Tag]v1.Image{
		tag("a:1.0"): member{which: "a"}.image(t), tag("b:1.0"): member{which: "b"}.image(t), tag("ghcr.io/o/c:2"): member{which: "c"}.image(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"": "several images", ":1.0": "several images", ":2": "c", ":ghcr.io/o/c:2": "c", ":index.docker.io/library/b:1.0": "b", ":b:1.0": "b", ":d": `no image "d"`,
	} {
		checkWhich(t, "docker-archive:"+file+ref, want)
	}
}

// TestIndexesInIndexes end, whatever they name.
func TestIndexesInIndexes(t *testing.T) {
	nest := func(depth int) v1.ImageIndex {
		index := makeIndex(t, member{which: "deep"})
		for range depth {
			index = mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index})
		}
		return index
	}
	wide := makeIndex(t)
	for i := range 100 {
		wide = mutate.AppendManifests(wide, mutate.IndexAddendum{Add: member{which: strings.Repeat("w", i), config: "linux/arm64"}.image(t)})
	}
	for what, test := range map[string]struct {
		index v1.ImageIndex
		want  string
	}{
		"an index in an index": {nest(1), "deep"},
		"too many":             {nest(8), "nested more than"},
		"a wide one":           {wide, "more than 32 manifests"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "layout")
			if _, err := layout.Write(dir, test.index); err != nil {
				t.Fatal(err)
			}
			checkWhich(t, "oci:"+dir, test.want)
		})
	}
}
