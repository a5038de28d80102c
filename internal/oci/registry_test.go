package oci_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
)

func noise(n int) string {
	source := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(source.Uint32())
	}
	return string(b)
}

func TestPullMergesLayersOfAllCompressions(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	one := makeTar(t, "etc/", "", "etc/a", "one", "etc/b", "one", "big", noise(700_000))
	two := makeTar(t, "etc/a", "two")
	three := makeTar(t, "etc/.wh.b", "", "c", "three")
	ref := s.push(t, "team/app:1", makeImage(t, "amd64",
		makeLayer(t, one, gzipped(t, one)), makeLayer(t, two, zstded(t, two)), makeLayer(t, three, three)))
	want := map[string]string{"etc/a": "two", "big": noise(700_000), "c": "three"}
	for _, round := range []string{"cold", "from the cache"} {
		files, info, err := c.pull(t.Context(), ref, nil)
		if err != nil {
			t.Fatalf("%s: %v", round, err)
		}
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", round, diff)
		}
		config := image.Config{Env: []string{"A=1"}, Cmd: []string{"/bin/sh"}, User: "1000", WorkingDir: "/srv", Volumes: []string{"/a", "/b"}}
		if diff := cmp.Diff(config, info.Config); diff != "" || info.Architecture != "amd64" || !image.ValidDigest(info.Digest) {
			t.Errorf("%s: info %+v", round, info)
		}
	}
	asked := s.asked()
	slices.Sort(asked)
	if len(slices.Compact(slices.Clone(asked))) != 4 || len(asked) != 4 { // 3 layers and the configuration, once
		t.Errorf("blobs asked for: %v", asked)
	}
	if blobs, others := c.leftovers(t); len(blobs) != 5 || len(others) != 0 {
		t.Errorf("the cache has the blobs %v, and %v", blobs, others)
	}
}

func TestPullByDigestAndOfAnIndex(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	mine, theirs := makeTar(t, "mine", "x"), makeTar(t, "theirs", "x")
	good := makeImage(t, "amd64", makeLayer(t, mine, mine))
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: makeImage(t, "arm64", makeLayer(t, theirs, theirs)), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: good, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	parsed, err := name.ParseReference(s.host + "/multi:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(parsed, index, remote.WithTransport(transport(t))); err != nil {
		t.Fatal(err)
	}
	digest, err := good.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{s.host + "/multi", s.host + "/multi@" + digest.String()} {
		files, info, err := c.pull(t.Context(), mustRef(t, ref), nil)
		if err != nil {
			t.Fatal(err)
		}
		if files["mine"] != "x" || info.Digest != digest.String() {
			t.Errorf("%s: files %v, digest %s", ref, files, info.Digest)
		}
	}
}

// wrongAnswer tampers with the layer's blob.
func wrongAnswer(digest string, change func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digest) {
			return false
		}
		rec := &recorder{header: http.Header{}}
		real.ServeHTTP(rec, r)
		body := change(rec.body.Bytes())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
		return true
	}
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// TestURLsOfLayersAreNotAsked: a layer that may not be passed on comes from the registry or
// not at all; where else a manifest says that it is, banger does not go.
func TestURLsOfLayersAreNotAsked(t *testing.T) {
	s := newServer(t)
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	raw := makeTar(t, "a", "x")
	layer := makeLayer(t, raw, gzipped(t, raw))
	for _, kind := range []types.MediaType{types.DockerForeignLayer, types.OCIRestrictedLayer} {
		img, err := mutate.Append(makeImage(t, "amd64"), mutate.Addendum{
			Layer: layer, MediaType: kind, URLs: []string{elsewhere.URL + "/layer"},
		})
		if err != nil {
			t.Fatal(err)
		}
		ref := s.push(t, "foreign-urls:1", img)
		if files, _, err := newSetup(t).pull(t.Context(), ref, nil); err != nil || files["a"] != "x" {
			t.Errorf("%s, which the registry has: %v, %v", kind, files, err)
		}
		s.setTamper(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			lacks := strings.HasSuffix(r.URL.Path, "/blobs/"+digestOf(t, layer)) && r.Method == http.MethodGet
			if lacks {
				w.WriteHeader(http.StatusNotFound)
			}
			return lacks
		})
		_, _, err = newSetup(t).pull(t.Context(), ref, nil)
		if !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Unavailable) {
			t.Errorf("%s, which the registry lacks: %v", kind, err)
		}
		s.setTamper(nil)
	}
	if asked != 0 {
		t.Errorf("the URL was asked %d times", asked)
	}
}

func TestPullFaults(t *testing.T) {
	s := newServer(t)
	raw := makeTar(t, "a", noise(300_000))
	l := makeLayer(t, raw, gzipped(t, raw))
	ref := s.push(t, "app:1", makeImage(t, "amd64", l))
	foreign := s.push(t, "foreign:1", makeImage(t, "s390x", l))
	lying := s.push(t, "lying:1", makeImage(t, "amd64", makeLayer(t, []byte("other"), raw)))
	lyingGzip := s.push(t, "lying:2", makeImage(t, "amd64", makeLayer(t, []byte("other"), gzipped(t, raw))))
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	tests := []struct {
		name    string
		ref     image.Ref
		change  func([]byte) []byte
		want    fault.Code
		message string
	}{
		{"a flipped bit", ref, flip, fault.Invalid, digestOf(t, l)},
		{"a truncated layer", ref, func(b []byte) []byte { return b[:len(b)-100] }, fault.Invalid, "layer 1 of 1"},
		{"a layer that is too long", ref, func(b []byte) []byte { return append(bytes.Clone(b), 0) }, fault.Invalid, "layer 1 of 1"},
		{"no such tag", mustRef(t, s.host+"/app:2"), nil, fault.NotFound, s.host + "/app:2"},
		{"no such repository", mustRef(t, s.host+"/nothing:1"), nil, fault.NotFound, "nothing"},
		{"another architecture", foreign, nil, fault.Invalid, "linux/s390x, and this host is linux/amd64"},
		{"an uncompressed digest that is wrong", lyingGzip, nil, fault.Invalid, "when decompressed"},
		{"that of a layer that comes uncompressed", lying, nil, fault.Invalid, "when decompressed"},
		{"a registry that is down", mustRef(t, "127.0.0.1:1/app:1"), nil, fault.Unavailable, "127.0.0.1:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newSetup(t)
			s.setTamper(nil)
			if test.change != nil {
				s.setTamper(wrongAnswer(digestOf(t, l), test.change))
			}
			_, _, err := c.pull(t.Context(), test.ref, nil)
			if fault.CodeOf(err) != test.want || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error (%s) %v; want %s with %q", fault.CodeOf(err), err, test.want, test.message)
			}
			if fault.HintOf(err).String() == "" {
				t.Errorf("no hint with %v", err)
			}
			blobs, others := c.leftovers(t)
			if len(others) != 0 || test.change != nil && len(blobs) != 0 {
				t.Errorf("left in the cache: %v %v", blobs, others)
			}
		})
	}
}

func TestBrokenConnectionIsTakenUpAgain(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	raw := makeTar(t, "a", noise(900_000))
	l := makeLayer(t, raw, raw)
	ref := s.push(t, "app:1", makeImage(t, "amd64", l))
	cuts := 0
	s.setTamper(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digestOf(t, l)) || cuts == 2 {
			return false
		}
		cuts++
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = w.Write(raw[:300_000*cuts])
		panic(http.ErrAbortHandler)
	})
	files, _, err := c.pull(t.Context(), ref, nil)
	if err != nil || files["a"] != noise(900_000) {
		t.Errorf("%d files, error %v", len(files), err)
	}
}

func TestDamagedCacheIsFetchedAgain(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	raw := makeTar(t, "a", "text")
	ref := s.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, gzipped(t, raw))))
	if _, _, err := c.pull(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	blobs, _ := c.leftovers(t)
	if err := os.WriteFile(filepath.Join(c.dir, "sha256", strings.TrimPrefix(blobs[0], "sha256:")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files, _, err := c.pull(t.Context(), ref, nil)
	if err != nil || files["a"] != "text" {
		t.Errorf("files %v, error %v", files, err)
	}
}

func TestCancelIsPromptAndKeepsFinishedLayers(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	first, second := makeTar(t, "a", noise(100_000)), makeTar(t, "b", noise(900_000))
	l1, l2 := makeLayer(t, first, first), makeLayer(t, second, second)
	ref := s.push(t, "app:1", makeImage(t, "amd64", l1, l2))
	ctx, cancel := context.WithCancel(t.Context())
	var canceled time.Time
	s.setTamper(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digestOf(t, l2)) {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(second)))
		_, _ = w.Write(second[:500_000])
		w.(http.Flusher).Flush()
		for { // the first layer is complete
			if _, err := os.Stat(filepath.Join(c.dir, "sha256", strings.TrimPrefix(digestOf(t, l1), "sha256:"))); err == nil {
				break
			}
			runtime.Gosched()
		}
		canceled = time.Now()
		cancel()
		<-r.Context().Done()
		return true
	})
	_, _, err := c.pull(ctx, ref, nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
	if took := time.Since(canceled); took > time.Second {
		t.Errorf("cancelling took %v", took)
	}
	blobs, others := c.leftovers(t)
	if diff := cmp.Diff([]string{digestOf(t, l1)}, blobs); diff != "" || len(others) != 0 {
		t.Errorf("the cache has %v and %v", blobs, others)
	}
	s.setTamper(nil)
	before := len(s.asked())
	files, _, err := c.pull(t.Context(), ref, nil)
	if err != nil || len(files) != 2 {
		t.Fatalf("the second pull: %d files, error %v", len(files), err)
	}
	if slices.Contains(s.asked()[before:], digestOf(t, l1)) {
		t.Error("the layer that was complete was fetched again")
	}
}

func TestSilentRegistryIsGivenUp(t *testing.T) {
	s := newServer(t)
	c := setup{oci.NewClient(t.TempDir(), oci.Options{Transport: transport(t), Architecture: "amd64", IdleTimeout: 50 * time.Millisecond}), ""}
	raw := makeTar(t, "a", noise(900_000))
	l := makeLayer(t, raw, raw)
	ref := s.push(t, "app:1", makeImage(t, "amd64", l))
	s.setTamper(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digestOf(t, l)) {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = w.Write(raw[:1000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	if _, _, err := c.pull(t.Context(), ref, nil); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "almost nothing for 50ms") {
		t.Errorf("error %v", err)
	}
}

func TestWriterThatFailsEndsThePull(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	raw := makeTar(t, "a", noise(5_000_000))
	ref := s.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	content, err := c.Open(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := fault.New(fault.Unavailable, "disk full")
	p := &progress{}
	err = content.Unpack(t.Context(), p, func(r io.Reader) error {
		_, _ = io.CopyN(io.Discard, r, 1000)
		return full
	})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("error %v, want the writer's", err)
	}
	if diff := cmp.Diff([]string{"fetch", "unpack"}, p.stages); diff != "" {
		t.Errorf("stages: %s", diff)
	}
	if err := content.Close(); err != nil {
		t.Error(err)
	}
}
