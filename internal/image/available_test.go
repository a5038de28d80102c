package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

const pinned = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// entries is a catalog of them, and a problem of another one; nil: none.
type entries struct {
	images  string
	problem error
}

func (e entries) Load(context.Context) ([]catalog.Catalog, []error) {
	doc, err := catalog.Parse([]byte(`{"format": 1, "version": 1, "images": [` + e.images + `]}`))
	problems := []error{err, e.problem}
	return []catalog.Catalog{{Document: doc}}, slices.DeleteFunc(problems, func(err error) bool { return err == nil })
}

const some = `
	{"name": "debian", "ref": "debian:12", "memory_bytes": 1073741824, "disk_bytes": 2147483648, "kernel": "k"},
	{"name": "pinned", "ref": "x.example/pinned:1", "digest": "` + pinned + `"},
	{"name": "foreign", "ref": "foreign:1", "arch": ["arm64"]},
	{"name": "dev", "make": "make dev-image"}`

func withCatalog(e entries) *fixture {
	f := newFixture()
	f.UseCatalogs(e, "amd64")
	return f
}

func TestObtainOfACatalog(t *testing.T) {
	f := withCatalog(entries{images: some + `, {"name": "suited", "ref": "suited:1", "memory_bytes": 1073741824, "prefer_kernel": "k"}`})
	did := &stages{}
	got, err := f.Obtain(t.Context(), "debian", "", did)
	if err != nil || got.Name != "debian" || got.Ref != "debian:12" || got.MemoryBytes != 1<<30 || got.DiskBytes != 2<<30 || got.Kernel != "k" {
		t.Fatalf("%+v, %v", got, err)
	}
	if !slices.Contains(*did, "catalog") || !slices.Contains(*did, "unpack") {
		t.Errorf("stages %v; want the catalog's and the pull's", *did)
	}
	suited, err := f.Obtain(t.Context(), "suited", "", &stages{})
	if err != nil || suited.Kernel != "" || suited.PreferKernel != "k" || suited.MemoryBytes != 1<<30 {
		t.Errorf("with a kernel that suits it: %+v, %v", suited, err)
	}
	if tagged, err := f.Tag(t.Context(), "suited", "more", false); err != nil || tagged.PreferKernel != "k" || tagged.MemoryBytes != 1<<30 {
		t.Errorf("its tag: %+v, %v", tagged, err)
	}
	again, err := f.Obtain(t.Context(), "debian", "", &stages{})
	if err != nil || again.ID != got.ID || f.source.unpacked != 1 {
		t.Errorf("again: %+v, %v, unpacked %d times", again, err, f.source.unpacked)
	}
}

func TestPullOfACatalog(t *testing.T) {
	f := withCatalog(entries{images: some})
	got, err := f.Pull(t.Context(), image.PullRequest{Ref: "pinned", Name: "mine", Kernel: "other", DiskBytes: 1 << 30}, &stages{})
	if err != nil || got.Name != "mine" || got.Ref != "x.example/pinned:1@"+pinned || got.Kernel != "other" || got.DiskBytes != 1<<30 {
		t.Errorf("%+v, %v; what the request says counts, and the digest is asked for", got, err)
	}
	// What no catalog has is docker.io's, and what is clearly a reference is one.
	for ref, want := range map[string]string{"busybox": "busybox", "debian:11": "debian:11"} {
		if got, err := f.Pull(t.Context(), image.PullRequest{Ref: ref, Replace: true}, &stages{}); err != nil || got.Ref != want {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
}

// TestPullOfAWithheldName: the image that docker.io has by the name of one that a catalog
// withholds is another one. Where that is not known, there is a warning.
func TestPullOfAWithheldName(t *testing.T) {
	expired := &catalog.Withheld{
		Document: catalog.Document{Kernels: []json.RawMessage{[]byte(`{"name": "vmlinux"}`)}, Images: []json.RawMessage{[]byte(`7`), []byte(`{"name": "app", "ref": "x.example/app:1"}`)}},
		Problem:  errors.New("the catalog expired"),
	}
	f := withCatalog(entries{images: some + `, {"name": "spoilt", "ref": "oci:/etc"}`, problem: expired})
	for name, want := range map[string]string{"app": "the catalog expired", "spoilt": "entry 5"} {
		_, err := f.Pull(t.Context(), image.PullRequest{Ref: name}, &stages{})
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) || f.source.unpacked != 0 ||
			!strings.Contains(fault.HintOf(err).String(), "image pull docker.io/library/"+name) {
			t.Errorf("%s: %v (hint %q), unpacked %d times", name, err, fault.HintOf(err), f.source.unpacked)
		}
	}
	for _, name := range []string{"vmlinux", "busybox"} {
		warned := &details{}
		if _, err := f.Pull(t.Context(), image.PullRequest{Ref: name, Replace: true}, warned); err != nil || !strings.Contains(strings.Join(*warned, "\n"), "warning: the catalog expired") {
			t.Errorf("%s: %v, said %q", name, err, *warned)
		}
	}
	warned := &details{}
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "app:latest"}, warned); err != nil || strings.Contains(strings.Join(*warned, "\n"), "warning") {
		t.Errorf("a reference: %v, said %q", err, *warned)
	}
}

func TestNotOfACatalog(t *testing.T) {
	f := withCatalog(entries{images: some, problem: errors.New("no route")})
	for name, want := range map[string]string{"dev": "is in no registry", "foreign": "no route", "debain": "no route"} {
		if _, err := f.Obtain(t.Context(), name, "", &stages{}); !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), want) || f.source.unpacked != 0 {
			t.Errorf("%s: %v, unpacked %d times; want NotFound with %q", name, err, f.source.unpacked, want)
		}
	}
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "dev"}, &stages{}); !strings.Contains(fault.HintOf(err).String(), "make dev-image") {
		t.Errorf("dev: %v (hint %q)", err, fault.HintOf(err).String())
	}
}

// TestWhatACatalogCallsIt: a mistyped name of a catalog is told wherever it is not found. A
// pull asks docker.io for it, as docker does, and says so.
func TestWhatACatalogCallsIt(t *testing.T) {
	for problem, want := range map[error]string{
		nil:                    "did you mean debian? To list all: image list (available); to get it: image pull debain",
		errors.New("no route"): "did you mean debian? To list all: image list (available)",
	} {
		f := withCatalog(entries{images: some, problem: problem})
		if _, err := f.Obtain(t.Context(), "debain", "", &stages{}); !errors.Is(err, fault.NotFound) || fault.HintOf(err).String() != want {
			t.Errorf("%v: %v, hint %q", problem, err, fault.HintOf(err))
		}
	}
	f := withCatalog(entries{images: some})
	for ref, want := range map[string]string{
		"debain": "did you mean debian? If not, check the name", "busybox": "check the name", "debain:1": "check the name",
	} {
		f.source.fail = fault.New(fault.NotFound, "no image %s", ref).WithHint("check the name")
		if _, err := f.Pull(t.Context(), image.PullRequest{Ref: ref}, &stages{}); !errors.Is(err, fault.NotFound) || fault.HintOf(err).String() != want {
			t.Errorf("%s: %v, hint %q", ref, err, fault.HintOf(err))
		}
	}
	f.source.fail = fault.New(fault.Unavailable, "no answer")
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debain"}, &stages{}); !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() != "did you mean debian?" {
		t.Errorf("no answer: %v, hint %q", err, fault.HintOf(err))
	}
	f.source.fail = nil
	var said details
	if got, err := f.Pull(t.Context(), image.PullRequest{Ref: "debain"}, &said); err != nil || got.Ref != "debain" {
		t.Errorf("%+v, %v", got, err)
	}
	if want := "no catalog has debain, so it is docker.io/library/debain"; !slices.Contains(said, want) {
		t.Errorf("said %q; want %q", said, want)
	}
}

// details is a Progress that notes them.
type details []string

func (*details) Stage(string)               {}
func (*details) Count(int64, int64, string) {}
func (d *details) Detail(format string, args ...any) {
	*d = append(*d, fmt.Sprintf(format, args...))
}

func TestOffers(t *testing.T) {
	f := withCatalog(entries{images: some + `, {"name": "debian", "ref": "evil:1"}, {"name": "BAD NAME"}`})
	f.pull(t, "debian")
	f.pull(t, "pinned") // debian:12 by that name
	offers, problems, err := f.Offers(t.Context())
	if err != nil || len(problems) != 1 {
		t.Errorf("problems %v, %v; want one of the entry that is not valid", problems, err)
	}
	var got []string
	for _, o := range offers {
		got = append(got, o.Entry.Name+" "+string(o.State)+" "+o.Entry.Ref)
	}
	if want := []string{"debian pulled debian:12", "pinned taken x.example/pinned:1", "dev unavailable "}; !slices.Equal(got, want) {
		t.Errorf("offers %q, want %q", got, want)
	}
}

func TestEntriesThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"name": "", "ref": "a:1"}`:                                           "name",
		`{"name": "a"}`:                                                        "exactly one",
		`{"name": "a", "ref": "a:1", "make": "x"}`:                             "exactly one",
		`{"name": "a", "ref": "tar:/etc/shadow"}`:                              "ref",
		`{"name": "a", "ref": "oci:/etc"}`:                                     "ref",
		`{"name": "a", "ref": "A b"}`:                                          "ref",
		`{"name": "a", "ref": "a:1", "digest": "sha256:1"}`:                    "digest",
		`{"name": "a", "ref": "a@` + pinned + `", "digest": "` + pinned + `"}`: "digest",
		`{"name": "a", "ref": "a:1", "kernel": "../k"}`:                        "kernel",
		`{"name": "a", "ref": "a:1", "prefer_kernel": "../k"}`:                 "prefer_kernel",
		`{"name": "a", "ref": "a:1", "prefer_kernel": "k", "kernel": "k"}`:     "prefer_kernel",
		`{"name": "a", "ref": "a:1", "memory_bytes": -1}`:                      "memory",
		`{"name": "a", "ref": "a:1", "memory_bytes": 9223372036854775807}`:     "memory",
		`{"name": "a", "ref": "a:1", "disk_bytes": -1}`:                        "disk",
		`{"name": "a", "ref": "a:1", "description": "\u001b[2J"}`:              "description",
		`{"name": "a", "make": "x\ny"}`:                                        "make",
	} {
		var e image.Entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if err := e.Validate(""); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want Invalid with %q", text, err, want)
		}
	}
}

// TestTheBuiltInCatalog names what the documentation promises.
func TestTheBuiltInCatalog(t *testing.T) {
	doc, err := catalog.Parse(catalog.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	found, problems := catalog.Merge[image.Entry]([]catalog.Catalog{{Document: doc}}, func(d catalog.Document) []json.RawMessage { return d.Images })
	memory := map[string]int64{"debian": 512 << 20, "ubuntu": 512 << 20, "alpine": 256 << 20, "fedora": 1 << 30, "arch": 1 << 30, "void": 512 << 20, "dev": 2 << 30}
	var names []string
	for _, f := range found {
		names = append(names, f.Entry.Name)
		if f.Entry.Description == "" || f.Entry.MemoryBytes != memory[f.Entry.Name] {
			t.Errorf("%s: description %q, memory %d", f.Entry.Name, f.Entry.Description, f.Entry.MemoryBytes)
		}
		if want := map[string]string{"debian": "debian-12", "ubuntu": "ubuntu-24.04"}[f.Entry.Name]; f.Entry.PreferKernel != want || want != "" && !strings.Contains(string(catalog.Builtin()), `"name": "`+want+`", "distro": "`+f.Entry.Name+`"`) {
			t.Errorf("%s: suited by the kernel %q, want %q, of this catalog", f.Entry.Name, f.Entry.PreferKernel, want)
		}
		// Each of these would take the place of what the user configured, or of a newer image.
		if f.Entry.Kernel != "" || f.Entry.Digest != "" || (f.Entry.DiskBytes != 0) != (f.Entry.Name == "dev") {
			t.Errorf("%s: kernel %q, digest %q, disk %d", f.Entry.Name, f.Entry.Kernel, f.Entry.Digest, f.Entry.DiskBytes)
		}
	}
	if want := []string{"debian", "ubuntu", "alpine", "fedora", "arch", "void", "dev"}; !slices.Equal(names, want) || len(problems) > 0 {
		t.Errorf("it has %v, want %v; problems %v", names, want, problems)
	}
}
