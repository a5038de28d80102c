package oci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// makeTar makes a layer of files and their contents. A name that ends with a
// slash is a directory.
func makeTar(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		hdr := &tar.Header{Name: pairs[i], Mode: 0o644, Size: int64(len(pairs[i+1]))}
		if strings.HasSuffix(pairs[i], "/") {
			hdr.Typeflag, hdr.Mode = tar.TypeDir, 0o755
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(t *testing.T, raw []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t *testing.T, raw []byte) []byte {
	t.Helper()
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return zw.EncodeAll(raw, nil)
}

// blob is a layer as it lies in a registry.
type blob struct {
	v1.Layer
	diffID v1.Hash
}

func (b blob) DiffID() (v1.Hash, error) { return b.diffID, nil }

func makeLayer(t *testing.T, plain, compressed []byte) v1.Layer {
	t.Helper()
	diffID, _, err := v1.SHA256(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	return blob{static.NewLayer(compressed, types.OCILayer), diffID}
}

func makeImage(t *testing.T, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Config = v1.Config{Env: []string{"A=1"}, Cmd: []string{"/bin/sh"}, User: "1000", WorkingDir: "/srv", Volumes: map[string]struct{}{"/b": {}, "/a": {}}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// server is a registry whose answers a test may change.
type server struct {
	host string
	mu   sync.Mutex
	// tamper handles a request instead of the registry when it returns true.
	tamper func(w http.ResponseWriter, r *http.Request, real http.Handler) bool
	blobs  []string // digests asked for
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		tamper := s.tamper
		if _, digest, found := strings.Cut(r.URL.Path, "/blobs/"); found && r.Method == http.MethodGet {
			s.blobs = append(s.blobs, digest)
		}
		s.mu.Unlock()
		if tamper == nil || !tamper(w, r, inner) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(ts.Close)
	s.host = strings.TrimPrefix(ts.URL, "http://")
	return s
}

func (s *server) setTamper(f func(http.ResponseWriter, *http.Request, http.Handler) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tamper = f
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.blobs...)
}

func transport(t *testing.T) http.RoundTripper {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (s *server) push(t *testing.T, ref string, img v1.Image) image.Ref {
	t.Helper()
	parsed, err := name.ParseReference(s.host + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, img, remote.WithTransport(transport(t))); err != nil {
		t.Fatal(err)
	}
	return mustRef(t, s.host+"/"+ref)
}

func mustRef(t *testing.T, s string) image.Ref {
	t.Helper()
	ref, err := image.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func digestOf(t *testing.T, l v1.Layer) string {
	t.Helper()
	h, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// setup is a client and the directory of its cache.
type setup struct {
	*oci.Client
	dir string
}

func newSetup(t *testing.T) setup {
	t.Helper()
	dir := t.TempDir()
	return setup{oci.NewClient(dir, oci.Options{Transport: transport(t), Architecture: "amd64"}), dir}
}

// pull unpacks an image and returns its files.
func (s setup) pull(ctx context.Context, ref image.Ref, input io.Reader) (files map[string]string, info image.Info, err error) {
	content, err := s.Open(ctx, ref, input)
	if err != nil {
		return nil, image.Info{}, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	err = content.Unpack(ctx, &progress{}, func(r io.Reader) error {
		files, err = readFiles(r)
		return err
	})
	return files, content.Info(), err
}

func readFiles(r io.Reader) (map[string]string, error) {
	files := map[string]string{}
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		if hdr.Typeflag == tar.TypeReg {
			files[hdr.Name] = string(body)
		}
	}
}

// leftovers lists the cache's files: the digests of whole blobs, and whatever
// else there is.
func (s setup) leftovers(t *testing.T) (blobs, others []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "sha256"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Name()) == 64 {
			blobs = append(blobs, "sha256:"+e.Name())
		} else {
			others = append(others, e.Name())
		}
	}
	return blobs, others
}

// progress holds work to its contract: a stage before a count, and never back.
type progress struct {
	mu     sync.Mutex
	stages []string
	done   int64
	total  int64
}

func (p *progress) Stage(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stages = append(p.stages, name)
	p.done, p.total = 0, 0
}

func (p *progress) Detail(string, ...any) {}

func (p *progress) Count(done, total int64, unit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if unit != "bytes" || len(p.stages) == 0 {
		panic(fmt.Sprintf("Count(%d, %d, %q) in stages %v", done, total, unit, p.stages))
	}
	p.done, p.total = max(p.done, done), total
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}
