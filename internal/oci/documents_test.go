package oci_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// TestADigestIsPulledAgainWithoutItsRegistry: from the cache, as long as that is
// whole.
func TestADigestIsPulledAgainWithoutItsRegistry(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	layer := makeTar(t, "a", noise(100_000))
	ref := s.push(t, "team/app:1", makeImage(t, "amd64", makeLayer(t, layer, gzipped(t, layer))))
	_, info, err := c.pull(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	down := 0
	s.setTamper(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		down++
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	byDigest := ref
	byDigest.Tag, byDigest.Digest = "", info.Digest
	files, again, err := c.pull(t.Context(), byDigest, nil)
	if err != nil || files["a"] != noise(100_000) || again.Digest != info.Digest || again.Config.User != info.Config.User || down != 0 {
		t.Errorf("by its digest: %d files, %+v, %v; asked %d times", len(files), again, err, down)
	}
	if recalled, found := c.Recall(t.Context(), byDigest); !found || cmp.Diff(again, recalled) != "" || down != 0 {
		t.Errorf("recalled: %v, %s; asked %d times", found, cmp.Diff(again, recalled), down)
	}
	if _, found := c.Recall(t.Context(), ref); found {
		t.Error("a tag was recalled")
	}
	if _, _, err := c.pull(t.Context(), ref, nil); err == nil || down == 0 {
		t.Errorf("a tag was not asked for: %v", err)
	}

	// What is not there is not asked for.
	gone := byDigest
	gone.Digest = "sha256:" + strings.Repeat("0", 64)
	before := down
	if _, found := c.Recall(t.Context(), gone); found || down != before {
		t.Errorf("recalled: %v; asked %d times", found, down-before)
	}

	// What is damaged is fetched, and then kept again.
	blob := filepath.Join(c.dir, "sha256", strings.TrimPrefix(info.Digest, "sha256:"))
	if err := os.WriteFile(blob, []byte(`{"schemaVersion": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.pull(t.Context(), byDigest, nil); err == nil {
		t.Error("a manifest with another digest was believed")
	}
	s.setTamper(nil)
	if _, _, err := c.pull(t.Context(), byDigest, nil); err != nil {
		t.Errorf("with its registry: %v", err)
	}
}

// TestManifestsAreBounded: what a registry sends of one, whatever it announces and however
// it is asked for, and nothing of it is kept.
func TestManifestsAreBounded(t *testing.T) {
	const most = 4 << 20
	for name, test := range map[string]struct {
		bytes int
		want  string
	}{
		"as many as are read": {most, ""},
		"one more":            {most + 1, "sends a manifest of more than 4 MiB"},
		"very many":           {16 * most, "sends a manifest of more than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newServer(t), newSetup(t)
			layer := makeTar(t, "a", "x")
			img := makeImage(t, "amd64", makeLayer(t, layer, layer))
			s.push(t, "app:1", img)
			big := padded(t, img, test.bytes)
			ref := s.put(t, "app:big", big)
			byDigest := ref
			byDigest.Tag, byDigest.Digest = "", sum(t, big.raw).String()
			index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
				Digest: sum(t, big.raw), Size: 1000, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"},
			}})
			inIndex := s.put(t, "app:index", index)
			s.setTamper(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
				if !strings.Contains(r.URL.Path, "/manifests/") || strings.HasSuffix(r.URL.Path, "/index") {
					return false
				}
				rec := &recorder{header: http.Header{}}
				real.ServeHTTP(rec, r)
				w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
				_, _ = w.Write(rec.body.Bytes()[:1]) // no length
				w.(http.Flusher).Flush()
				_, _ = w.Write(rec.body.Bytes()[1:])
				return true
			})
			for how, ref := range map[string]image.Ref{"by tag": ref, "by digest": byDigest, "in an index": inIndex} {
				want := test.want
				if how == "in an index" && want == "" {
					want = "has more than the 1000 bytes"
				}
				_, _, err := c.pull(t.Context(), ref, nil)
				if (err == nil) != (want == "") || err != nil && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %v, want %q", how, err, want)
				}
			}
			if blobs, _ := c.leftovers(t); slices.Contains(blobs, byDigest.Digest) != (test.want == "") {
				t.Errorf("the cache has %v", blobs)
			}
		})
	}
}

// paddedManifest is an image's manifest with spaces after it.
type paddedManifest struct{ raw []byte }

func (m paddedManifest) RawManifest() ([]byte, error)      { return m.raw, nil }
func (paddedManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func padded(t *testing.T, img v1.Image, size int) paddedManifest {
	t.Helper()
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return paddedManifest{append(raw, bytes.Repeat([]byte(" "), size-len(raw))...)}
}

// put stores a manifest alone.
func (s *server) put(t *testing.T, ref string, manifest remote.Taggable) image.Ref {
	t.Helper()
	parsed, err := name.ParseReference(s.host + "/" + ref)
	if err == nil {
		err = remote.Put(parsed, manifest, remote.WithTransport(transport(t)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return mustRef(t, s.host+"/"+ref)
}

func sum(t *testing.T, data []byte) v1.Hash {
	t.Helper()
	h, _, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return h
}
