package daemon

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"aead.dev/minisign"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/catalogstore"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelbundle"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmlinux"
)

// publisher serves a signed catalog and the bundles that it names, by HTTPS.
type publisher struct {
	*httptest.Server
	dir   string
	key   minisign.PrivateKey
	table config.Catalog

	mu    sync.Mutex
	asked []string // paths and statuses
}

// requests returns what was asked for since it was called last.
func (p *publisher) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{dir: t.TempDir(), key: private}
	files := http.FileServer(http.Dir(p.dir))
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data, err := os.ReadFile(filepath.Join(p.dir, filepath.Base(r.URL.Path))); err == nil {
			w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(data))))
		}
		files.ServeHTTP(noted{w, p, r.URL.Path}, r)
	}))
	t.Cleanup(p.Close)
	p.table = config.Catalog{URL: p.URL + "/catalog.json", Key: public.String()}
	return p
}

// noted notes each answer before it is on its way.
type noted struct {
	http.ResponseWriter
	p    *publisher
	path string
}

func (n noted) WriteHeader(status int) {
	n.p.mu.Lock()
	n.p.asked = append(n.p.asked, fmt.Sprintf("%s %d", n.path, status))
	n.p.mu.Unlock()
	n.ResponseWriter.WriteHeader(status)
}

func (p *publisher) publish(t *testing.T, version int64, entries ...kernel.Entry) {
	t.Helper()
	doc := catalog.Document{Format: catalog.Format, Version: version}
	for _, e := range entries {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		doc.Kernels = append(doc.Kernels, raw)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, "catalog.json")
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.WriteFile(path+".minisig", minisign.Sign(p.key, data), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// kernelsOf makes the kernels' service as wire does, on directories of a test.
func kernelsOf(t *testing.T, p *publisher, dirs statedir.Dirs) *kernel.Service {
	t.Helper()
	set, _ := started(t)
	set.latest.Catalogs = []config.Catalog{p.table}
	log := slog.New(slog.DiscardHandler)
	downloads := download.New(dirs.Downloads(), download.Options{Transport: p.Client().Transport})
	all, err := catalog.New([]byte(`{"format":1,"version":1}`), downloads, catalogstore.New(dirs, log), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return kernel.NewService(kernel.Deps{
		Store: kernelstore.New(dirs, log), Executables: vmlinux.Executables{}, Open: kernelstore.OpenSource, Now: time.Now,
		Architecture: "amd64", Catalogs: catalogSources{all, set}, Bundles: bundles{downloads},
	})
}

func TestAKernelFromASignedCatalog(t *testing.T) {
	p := newPublisher(t)
	theirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	ours := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	tree := t.TempDir()
	err := kerneltest.Write(tree, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz("6.1.0"), Mode: 0o644}})
	if err := errors.Join(err, os.MkdirAll(theirs.Kernels(), 0o700), os.MkdirAll(ours.Kernels(), 0o700)); err != nil {
		t.Fatal(err)
	}
	m, err := kernelsOf(t, p, theirs).Import(t.Context(), "k", tree, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kernelbundle.Pack(t.Context(), m, theirs.Kernel("k"), p.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, 7, entry)
	service := kernelsOf(t, p, ours)
	got, err := service.Pull(t.Context(), "k", false, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	chain := strings.Join(got.Trust, "\n")
	if got.Source != "pull:"+p.URL+"/k.tar.zst" || !strings.Contains(chain, "version 7") || !strings.Contains(chain, p.table.Key) {
		t.Errorf("source %s, trust %s", got.Source, chain)
	}
	want := []string{"/catalog.json 200", "/catalog.json.minisig 200", "/k.tar.zst 200"}
	if asked := p.requests(); !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if left, err := os.ReadDir(ours.Downloads()); err != nil || len(left) != 0 {
		t.Errorf("downloads left: %v, %v", left, err)
	}

	// The next daemon remembers the version, and asks by the ETag.
	service = kernelsOf(t, p, ours)
	if offers, problems, err := service.Offers(t.Context()); err != nil || len(problems) != 0 || len(offers) != 1 || offers[0].State != kernel.Pulled {
		t.Errorf("offers %+v, problems %v, %v", offers, problems, err)
	}
	if asked := p.requests(); !slices.Equal(asked, []string{"/catalog.json 304"}) {
		t.Errorf("asked again %q", asked)
	}
	p.publish(t, 6)
	if _, problems, err := service.Offers(t.Context()); err != nil || len(problems) != 1 || !errors.Is(problems[0], fault.Invalid) {
		t.Errorf("an older version: %v, %v", problems, err)
	}
}
