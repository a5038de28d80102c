package image_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

// memoryStore is a Store in memory. It counts what is staged.
type memoryStore struct {
	images map[string]image.Manifest
	staged int
	fail   error // of Commit
	shared []string
	disk   *fakeDisk
	// cannotShare says that the filesystem has no hard links.
	cannotShare bool
}

// add stores an image under a name, or none.
func (s *memoryStore) add(id, name, ref string, at int64) {
	m := image.Manifest{ID: id, Source: ref, CreatedAt: time.Unix(at, 0)}
	if name != "" {
		m.Names = []image.Name{{Name: name, Ref: ref, At: m.CreatedAt}}
	}
	s.images[id] = m
}

func (s *memoryStore) List(context.Context) ([]image.Manifest, error) {
	return slices.Collect(maps.Values(s.images)), nil
}

func (s *memoryStore) Stage(_ context.Context, id string) (image.Staging, error) {
	s.staged++
	return &memoryStaging{s: s, id: id}, nil
}

func (s *memoryStore) Update(_ context.Context, m image.Manifest) error {
	s.images[m.ID] = m
	return nil
}

func (s *memoryStore) Remove(_ context.Context, id string) error {
	delete(s.images, id)
	delete(s.disk.files, s.RootfsPath(image.Manifest{ID: id}))
	return nil
}

func (s *memoryStore) Sweep(context.Context) error { return nil }

type memoryStaging struct {
	s    *memoryStore
	id   string
	done bool
}

func (st *memoryStaging) RootfsPath() string { return "/staged/" + st.id + "/rootfs.ext4" }

func (st *memoryStaging) ShareRootfs(id string) (bool, error) {
	st.s.shared = append(st.s.shared, id)
	if st.s.cannotShare {
		return false, nil
	}
	st.s.disk.files[st.RootfsPath()] = st.s.disk.files[st.s.RootfsPath(image.Manifest{ID: id})]
	return true, nil
}

func (st *memoryStaging) KernelDir() string { return "/staged/kernel" }

func (st *memoryStaging) LayersDir() string { return "/images/" + st.id + "/layers" }

func (st *memoryStaging) ShareLayers(m image.Manifest) (bool, error) {
	for _, l := range m.Layers {
		f, found := st.s.disk.files[st.s.LayerPath(m.ID, l.Digest)]
		if !found {
			return false, nil
		}
		st.s.disk.files[st.s.LayerPath(st.id, l.Digest)] = f
	}
	return true, nil
}

func (st *memoryStaging) Commit(m image.Manifest) error {
	if st.s.fail != nil {
		return st.s.fail
	}
	if m.External == nil {
		st.s.disk.move(st.RootfsPath(), st.s.RootfsPath(m))
	}
	st.s.images[m.ID] = m
	st.s.staged--
	st.done = true
	return nil
}

func (st *memoryStaging) Discard() error {
	if !st.done {
		st.s.staged--
		delete(st.s.disk.files, st.RootfsPath())
	}
	return nil
}

// fakeSource has one image, whose digest a test may change.
type fakeSource struct {
	digest   string
	config   image.Config
	unpacked int
	closed   int
	// late says that the digest is known when the files have been read.
	late     bool
	opened   string
	platform image.Platform // of the last Open
	// arch and variant are what it has.
	arch, variant string
	next          image.Content // what the next Open returns; nil: the one image
	fail          error         // of Open
	remembers     bool
}

func (s *fakeSource) Open(_ context.Context, ref image.Ref, _ io.Reader) (image.Content, error) {
	s.opened, s.platform = ref.String(), ref.Platform
	if s.fail != nil {
		return nil, s.fail
	}
	if next := s.next; next != nil {
		s.next = nil
		return next, nil
	}
	return &fakeContent{s: s}, nil
}

// Recall knows the one image where a test says so.
func (s *fakeSource) Recall(_ context.Context, ref image.Ref) (image.Info, bool) {
	return image.Info{Digest: s.digest, Config: s.config}, s.remembers && ref.Digest == s.digest
}

type fakeContent struct {
	s    *fakeSource
	read bool
}

func (c *fakeContent) Info() image.Info {
	digest := c.s.digest
	if c.s.late && !c.read {
		digest = ""
	}
	return image.Info{Digest: digest, Architecture: c.s.arch, Variant: c.s.variant, OS: "linux", Config: c.s.config}
}

func (c *fakeContent) Unpack(ctx context.Context, p operation.Progress, write func(io.Reader) error) error {
	c.s.unpacked++
	c.read = true
	p.Stage("fetch")
	p.Stage("unpack")
	return write(strings.NewReader("the files of " + c.s.digest))
}

func (c *fakeContent) Close() error {
	c.s.closed++
	return nil
}

type fakeUsers map[string][]string

func (u fakeUsers) ImageUsers(_ context.Context, id string) ([]string, error) { return u[id], nil }

type stages []string

func (s *stages) Stage(name string)        { *s = append(*s, name) }
func (*stages) Detail(string, ...any)      {}
func (*stages) Count(int64, int64, string) {}

type fixture struct {
	*image.Service
	store  *memoryStore
	source *fakeSource
	users  fakeUsers
	clock  time.Time
}

func newFixture() *fixture {
	f := &fixture{
		store:  &memoryStore{images: map[string]image.Manifest{}, disk: &fakeDisk{files: map[string]fakeFile{}}},
		source: &fakeSource{digest: "sha256:1", arch: "amd64", config: image.Config{User: "u"}}, users: fakeUsers{}, clock: time.Unix(1000, 0),
	}
	f.use(f.store.disk)
	return f
}

// use makes a new Service of the same things.
func (f *fixture) use(files image.Filesystems) {
	now := func() time.Time {
		f.clock = f.clock.Add(time.Second)
		return f.clock
	}
	f.Service = image.NewService(f.store, f.source, files, f.users, now, slog.New(slog.DiscardHandler))
}

func (f *fixture) pull(t *testing.T, name string) image.Image {
	t.Helper()
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: name}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPullStoresAManifest(t *testing.T) {
	f := newFixture()
	var seen stages
	got, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Kernel: "k", DiskBytes: 1 << 30}, &seen)
	if err != nil {
		t.Fatal(err)
	}
	want := image.Manifest{
		Format: image.ManifestFormat, ID: got.ID, Origin: image.FromReference, Source: "debian:12", Digest: "sha256:1", Architecture: "amd64", OS: "linux",
		Names:        []image.Name{{Name: "debian-12", Ref: "debian:12", DiskBytes: 1 << 30, At: time.Unix(1002, 0).UTC()}},
		ConfigFormat: image.ConfigFormat, RootfsBytes: 42, RootfsSHA256: "sum of the files of sha256:1 (a new UUID)", RootfsUUID: "a new UUID", Kernel: "k", Config: image.Config{User: "u"}, CreatedAt: time.Unix(1001, 0).UTC(),
	}
	if diff := cmp.Diff(image.Image{Manifest: want, Name: "debian-12", Ref: "debian:12", DiskBytes: 1 << 30}, got); diff != "" || len(got.ID) < 12 {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if diff := cmp.Diff(stages{"resolve", "fetch", "unpack", "commit"}, seen); diff != "" {
		t.Errorf("stages: %s", diff)
	}
	if stored := f.store.images[got.ID]; cmp.Diff(want, stored) != "" {
		t.Errorf("stored %+v", stored)
	}
}

func TestPullOfWhatIsThereDoesNothing(t *testing.T) {
	f := newFixture()
	first, second := f.pull(t, "d"), f.pull(t, "d")
	if first.ID != second.ID || f.source.unpacked != 1 || f.source.closed != 2 {
		t.Errorf("ids %s and %s, %d unpacked, %d closed", first.ID, second.ID, f.source.unpacked, f.source.closed)
	}
}

func TestPullThatFailsLeavesNothing(t *testing.T) {
	f := newFixture()
	old := f.pull(t, "d")
	f.source.digest = "sha256:2"
	full := fault.New(fault.Unavailable, "disk full")
	for _, test := range []struct{ write, commit error }{{full, nil}, {nil, full}} {
		f.store.disk.fail, f.store.fail = test.write, test.commit
		if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "d", Replace: true}, &stages{}); !errors.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		if got, err := f.Get(t.Context(), "d"); err != nil || got.ID != old.ID || f.store.staged != 0 {
			t.Errorf("the old image is %+v, %v; %d staged", got, err, f.store.staged)
		}
	}
}

func TestPullRefusesBeforeAnythingIsOpened(t *testing.T) {
	f := newFixture()
	for _, req := range []image.PullRequest{{Ref: "Debian"}, {Ref: "debian", Name: "No"}, {Ref: "tar:-", Input: strings.NewReader("")}, {Ref: "tar:-", Name: "x"}, {Ref: "debian", DiskBytes: -1}} {
		if _, err := f.Pull(t.Context(), req, &stages{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want a fault Invalid", req, err)
		}
	}
	if f.source.closed != 0 {
		t.Error("the source was opened")
	}
}

func TestCancelledPullCommitsNothing(t *testing.T) {
	f := newFixture()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Pull(ctx, image.PullRequest{Ref: "debian"}, &stages{})
	if !errors.Is(err, context.Canceled) || len(f.store.images) != 0 || f.store.staged != 0 {
		t.Errorf("error %v, images %v, %d staged", err, f.store.images, f.store.staged)
	}
}

func TestGet(t *testing.T) {
	f := newFixture()
	f.store.add("abc000000000", "one", "debian:12", 1)
	f.store.add("abd000000000", "abc", "debian:12", 2)
	f.store.add("fff000000000", "", "debian:11", 3)
	f.store.add("eee000000000", "twin", "", 4)
	f.store.add("ddd000000000", "twin", "", 5)
	f.store.add("ccc000000000", "ddd000000000", "", 6)
	tests := []struct {
		name, id string
		want     fault.Code
	}{
		{"one", "abc000000000", ""},
		{"abc", "abd000000000", ""}, // a name beats a prefix
		{"abc0", "abc000000000", ""},
		{"ab", "", fault.Invalid},
		{"debian:12", "abd000000000", ""},
		{"debian:11", "", fault.NotFound}, // it lost its name
		{"f", "fff000000000", ""},
		{"eee000000000", "eee000000000", ""},
		{"ddd000000000", "ddd000000000", ""}, // an id beats a name, which no longer can look like one
		{"twin", "ddd000000000", ""},
		{"nothing", "", fault.NotFound},
		{"", "", fault.Invalid},
	}
	for _, test := range tests {
		got, err := f.Get(t.Context(), test.name)
		if got.ID != test.id || (test.want == "") != (err == nil) || err != nil && !errors.Is(err, test.want) {
			t.Errorf("Get(%q) = %q, %v; want %q, %q", test.name, got.ID, err, test.id, test.want)
		}
	}
	all, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	if diff := cmp.Diff([]string{"abc", "ddd000000000", "one", "twin", "", ""}, names); diff != "" {
		t.Errorf("List: %s", diff)
	}
}

func TestDelete(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d")
	f.users[m.ID] = []string{"vm1", "vm2"}
	if err := f.Delete(t.Context(), "d"); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "the VMs vm1, vm2") || strings.Contains(fault.HintOf(err).String(), "vm1") {
		t.Errorf("error %v, want a Conflict that names the VMs", err)
	}
	delete(f.users, m.ID)
	if err := f.Delete(t.Context(), "d"); err != nil || len(f.store.images) != 0 {
		t.Errorf("error %v, left %v", err, f.store.images)
	}
	if err := f.Delete(t.Context(), "d"); !errors.Is(err, fault.NotFound) {
		t.Errorf("error %v, want NotFound", err)
	}
}

// TestPullRefusesAConfigNoVMCanHave: before anything is fetched or staged.
func TestPullRefusesAConfigNoVMCanHave(t *testing.T) {
	f := newFixture()
	f.source.config.Cmd = []string{strings.Repeat("x", 1<<20)}
	_, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12"}, &stages{})
	if !errors.Is(err, fault.Invalid) || f.source.unpacked != 0 || f.store.staged != 0 || f.source.closed != 1 {
		t.Errorf("error %v, unpacked %d, staged %d, closed %d", err, f.source.unpacked, f.store.staged, f.source.closed)
	}
}
