package catalog

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/bangervm/banger/internal/fault"
)

const at = "https://catalogs.example/banger.json"

// web is a Fetcher of what is in it.
type web struct {
	pages map[string]string
	tags  map[string]string
	down  bool
	asked []string
}

func (w *web) Document(_ context.Context, url, etag string, limit int64) (Response, error) {
	w.asked = append(w.asked, url)
	page, ok := w.pages[url]
	switch {
	case w.down:
		return Response{}, fault.New(fault.Unavailable, "no route")
	case !ok:
		return Response{}, fault.New(fault.NotFound, "no page %s", url)
	case etag != "" && etag == w.tags[url]:
		return Response{ETag: etag, Unchanged: true}, nil
	case int64(len(page)) > limit:
		return Response{}, fault.New(fault.Invalid, "too large")
	}
	return Response{Data: []byte(page), ETag: w.tags[url]}, nil
}

type memory map[string]Copy

func (m memory) Get(_ context.Context, id string) (Copy, bool) { c, ok := m[id]; return c, ok }
func (m memory) Put(_ context.Context, id string, c Copy) error {
	m[id] = c
	return nil
}

type fixture struct {
	*Service
	web   *web
	store memory
	src   Source
	sign  minisign.PrivateKey
	now   time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{web: &web{pages: map[string]string{}, tags: map[string]string{}}, store: memory{}, sign: private, now: time.Unix(1e9, 0)}
	f.src = Source{URL: at, Key: public.String()}
	f.Service, err = New([]byte(`{"format":1,"version":1,"kernels":[{"name":"own"}]}`), f.web, f.store, func() time.Time { return f.now })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// publish puts a signed catalog on the web.
func (f *fixture) publish(doc string) {
	f.web.pages[at] = doc
	f.web.pages[at+".minisig"] = string(minisign.Sign(f.sign, []byte(doc)))
	f.web.tags[at] = fmt.Sprintf("%x", sha256.Sum256([]byte(doc)))
}

func versioned(n int) string {
	return fmt.Sprintf(`{"format":1,"version":%d,"kernels":[{"name":"k%d"}]}`, n, n)
}

// names are those of the kernels that Load finds.
func (f *fixture) names(t *testing.T) ([]string, error) {
	t.Helper()
	all, problems := f.Load(t.Context(), []Source{f.src})
	found, more := Merge[entry](all, func(d Document) []json.RawMessage { return d.Kernels })
	var names []string
	for _, e := range found {
		names = append(names, e.Entry.Name)
	}
	return names, errors.Join(append(problems, more...)...)
}

type entry struct {
	Name string `json:"name"`
}

func (e entry) Key() string { return e.Name }
func (e entry) Validate(string) error {
	if e.Name == "" {
		return fault.New(fault.Invalid, "no name")
	}
	return nil
}

func (f *fixture) expect(t *testing.T, problem string, want ...string) {
	t.Helper()
	got, err := f.names(t)
	if !slices.Equal(got, want) || (problem == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), problem) {
		t.Errorf("kernels %v, problem %v; want %v, %q", got, err, want, problem)
	}
}

func TestASignedCatalogIsFetchedOnce(t *testing.T) {
	f := newFixture(t)
	f.publish(versioned(1))
	f.expect(t, "", "own", "k1")
	f.web.asked = nil
	f.expect(t, "", "own", "k1")
	if want := []string{at}; !slices.Equal(f.web.asked, want) {
		t.Errorf("asked for %v the second time, want %v: the ETag holds", f.web.asked, want)
	}
	f.publish(versioned(2))
	f.expect(t, "", "own", "k2")
}

func TestACatalogDoesNotGoBack(t *testing.T) {
	f := newFixture(t)
	f.publish(versioned(5))
	f.expect(t, "", "own", "k5")
	f.publish(versioned(4))
	f.expect(t, "went back from version 5 to 4", "own", "k5")
	f.publish(`{"format":1,"version":5,"kernels":[{"name":"other"}]}`)
	f.expect(t, "changed without a new version", "own", "k5")
	f.publish(versioned(6))
	f.expect(t, "", "own", "k6")
}

// TestWhyACatalogIsOldIsKept beside its copy, until it is renewed; a user who gives up is no
// reason.
func TestWhyACatalogIsOldIsKept(t *testing.T) {
	f := newFixture(t)
	kept := func() Copy { c, _ := f.store.Get(t.Context(), f.src.ID()); return c }
	f.web.down = true
	f.expect(t, "no route", "own")
	if c := kept(); !strings.Contains(c.Refused, "no route") || !c.RefusedAt.Equal(f.now) || len(c.Data) != 0 {
		t.Errorf("without a copy: %+v", c)
	}
	f.web.down = false
	f.publish(versioned(5))
	f.expect(t, "", "own", "k5")
	if c := kept(); c.Refused != "" {
		t.Errorf("renewed: %+v", c)
	}
	f.publish(versioned(4))
	f.expect(t, "went back", "own", "k5")
	since := f.now
	f.now = f.now.Add(time.Hour)
	f.expect(t, "went back", "own", "k5")
	c := kept()
	if !strings.Contains(c.Refused, "went back from version 5 to 4") || !c.RefusedAt.Equal(since) {
		t.Errorf("went back: %+v", c)
	}
	if got, err := Examine(f.src, c, f.now); err != nil || got.Version != 5 {
		t.Errorf("the copy is %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.web.down = true
	f.Load(ctx, []Source{f.src})
	if now := kept(); now.Refused != c.Refused {
		t.Errorf("a user gave up: %q", now.Refused)
	}
	f.web.down = false
	f.publish(versioned(5))
	f.expect(t, "", "own", "k5")
	if c := kept(); c.Refused != "" || !c.RefusedAt.IsZero() {
		t.Errorf("in order again: %+v", c)
	}
}

func TestACatalogExpires(t *testing.T) {
	f := newFixture(t)
	f.publish(`{"format":1,"version":1,"expires":"2001-09-10T00:00:00Z","kernels":[{"name":"k"}]}`)
	f.expect(t, "", "own", "k")
	f.web.down = true
	f.expect(t, "no route; using the copy of 2001-09-09T01:46:40Z", "own", "k")
	f.now = f.now.Add(24 * time.Hour)
	f.expect(t, "the local copy is too old", "own")
	f.withholds(t, "k")
	f.web.down = false
	f.expect(t, "expired on 2001-09-10", "own")
	f.withholds(t, "k")
	clear(f.store) // no copy: what the server has tells it
	f.withholds(t, "k")
}

// withholds expects one problem that tells the kernel called name.
func (f *fixture) withholds(t *testing.T, name string) {
	t.Helper()
	_, problems := f.Load(t.Context(), []Source{f.src})
	if len(problems) != 1 {
		t.Fatalf("problems %v", problems)
	}
	w, ok := errors.AsType[*Withheld](problems[0])
	if !ok || len(w.Kernels) != 1 || !strings.Contains(string(w.Kernels[0]), `"`+name+`"`) {
		t.Errorf("%v does not tell of %s", problems[0], name)
	}
}

func TestASignatureThatDoesNotHold(t *testing.T) {
	f := newFixture(t)
	_, other, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.publish(versioned(1))
	good := f.web.pages[at+".minisig"]
	for name, sig := range map[string]string{
		"another key": string(minisign.Sign(other, []byte(versioned(1)))), "another text": string(minisign.Sign(f.sign, []byte(versioned(2)))),
		"none": "", "a changed comment": strings.Replace(good, "timestamp:", "timestamp:1", 1),
	} {
		t.Run(name, func(t *testing.T) {
			f.web.pages[at+".minisig"] = sig
			f.expect(t, "is not by the key", "own")
		})
	}
	f.web.pages[at+".minisig"] = good
	f.expect(t, "", "own", "k1")
	f.publish(versioned(2))
	delete(f.web.pages, at+".minisig")
	f.expect(t, "the signature of the catalog", "own", "k1")
}

func TestAPinnedCatalog(t *testing.T) {
	f := newFixture(t)
	sum := sha256.Sum256([]byte(versioned(1)))
	f.src = Source{URL: at, SHA256: hex.EncodeToString(sum[:])}
	f.publish(versioned(1))
	delete(f.web.pages, at+".minisig")
	f.expect(t, "", "own", "k1")
	f.publish(versioned(2))
	f.expect(t, "has the sha256", "own", "k1")
}

func TestADamagedCopyCountsForNothing(t *testing.T) {
	f := newFixture(t)
	f.publish(versioned(1))
	f.expect(t, "", "own", "k1")
	c := f.store[f.src.ID()]
	c.Data = []byte(versioned(9))
	f.store[f.src.ID()] = c
	f.expect(t, "", "own", "k1")
	f.store[f.src.ID()] = c
	f.web.down = true
	f.expect(t, "no route", "own")
}

func TestMergeKeepsTheFirstOfAName(t *testing.T) {
	f := newFixture(t)
	f.publish(`{"format":1,"version":1,"kernels":[{"name":"own"},{"name":""},{"name":7},{"name":"k"}]}`)
	all, problems := f.Load(t.Context(), []Source{f.src})
	found, bad := Merge[entry](all, func(d Document) []json.RawMessage { return d.Kernels })
	if len(problems) != 0 || len(bad) != 2 || len(found) != 2 || found[0].Origin.URL != "" || found[1].Origin.URL != at {
		t.Errorf("found %+v, problems %v, %v", found, problems, bad)
	}
}

func TestParseRefuses(t *testing.T) {
	many := `{"format":1,"version":1,"kernels":[` + strings.Repeat("1,", maxEntries) + `1]}`
	for name, data := range map[string]string{
		"nothing": "", "no object": "[]", "no version": `{"format":1}`, "a negative version": `{"format":1,"version":-1}`,
		"no format": `{"version":1}`, "a newer format": `{"format":2,"version":1}`, "what follows": `{"format":1,"version":1}{}`,
		"too many": many, "too large": strings.Repeat(" ", MaxBytes) + versioned(1),
	} {
		if _, err := Parse([]byte(data)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	if _, err := Parse([]byte(`{"format":1,"version":1,"later":true}`)); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestSourcesThatAreRefused(t *testing.T) {
	good := newFixture(t).src
	pin := strings.Repeat("0", 64)
	for _, src := range []Source{
		{},
		{URL: at},
		{URL: at, Key: good.Key, SHA256: pin},
		{URL: at, Key: "RW"},
		{URL: at, SHA256: strings.ToUpper("a" + pin[1:])},
		{URL: at, Key: "untrusted comment: x\n" + good.Key},
		{URL: "http://x/c", SHA256: pin},
		{URL: "https:///c", SHA256: pin},
		{URL: "https://u@x/c", SHA256: pin},
		{URL: "file://host/c", SHA256: pin},
		{URL: "file:c", SHA256: pin},
		{URL: "c", SHA256: pin},
		{URL: "https://x/#f", SHA256: pin},
		{URL: "https://x/a b", SHA256: pin},
	} {
		if err := src.Validate(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want Invalid", src, err)
		}
	}
	for _, src := range []Source{good, {URL: "file:///c", SHA256: pin}} {
		if err := src.Validate(); err != nil {
			t.Errorf("%+v: %v", src, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, test := range []struct{ from, ref, want string }{
		{at, "k.tar.zst", "https://catalogs.example/k.tar.zst"},
		{at, "https://other.example/k", "https://other.example/k"},
		{at, "file:///etc/shadow", ""},
		{at, "http://other.example/k", ""},
		{at, "//u@x/k", ""},
		{"file:///srv/c.json", "k.tar.zst", "file:///srv/k.tar.zst"},
		{"file:///srv/c.json", "https://x/k", "https://x/k"},
		{"", "k.tar.zst", ""},
	} {
		if got, err := Resolve(test.from, test.ref); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", test.from, test.ref, got, err, test.want)
		}
	}
}
