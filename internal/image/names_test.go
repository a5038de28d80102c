package image_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

func (f *fixture) replace(t *testing.T, name string) image.Image {
	t.Helper()
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: name, Replace: true}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestANameOfAnotherDigestIsRefused: before any file is fetched.
func TestANameOfAnotherDigestIsRefused(t *testing.T) {
	f := newFixture()
	old := f.pull(t, "d")
	f.source.digest = "sha256:2"
	_, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:13", Name: "d"}, &stages{})
	if !errors.Is(err, fault.Conflict) || f.source.unpacked != 1 || f.store.staged != 0 {
		t.Errorf("error %v, unpacked %d times, %d staged", err, f.source.unpacked, f.store.staged)
	}
	for _, part := range []string{`"d"`, "sha256:1", "sha256:2", "debian:12", "debian:13"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
	if got, err := f.Get(t.Context(), "d"); err != nil || got.ID != old.ID {
		t.Errorf("the name leads to %s, %v", got.ID, err)
	}
}

// TestTheHintOfATakenNameMovesThatName: without --name a pull gives another one.
func TestTheHintOfATakenNameMovesThatName(t *testing.T) {
	for name, want := range map[string]string{
		"d":         "image pull debian:13 d (replace, name);",
		"debian-13": "image pull debian:13 (replace);",
	} {
		f := newFixture()
		f.pull(t, name)
		f.source.digest = "sha256:2"
		_, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:13", Name: name}, &stages{})
		if hint := fault.HintOf(err).String(); !strings.Contains(hint, want) {
			t.Errorf("%s: hint %q does not say %q", name, hint, want)
		}
	}
}

func TestReplaceTakesTheName(t *testing.T) {
	f := newFixture()
	unused := f.pull(t, "a")
	f.source.digest = "sha256:2"
	used := f.pull(t, "b")
	f.users[used.ID] = []string{"vm1"}
	f.source.digest = "sha256:3"
	newA, newB := f.replace(t, "a"), f.replace(t, "b")
	if _, there := f.store.images[unused.ID]; there {
		t.Error("the image that no VM uses is still there")
	}
	if old := f.store.images[used.ID]; old.ID == "" || len(old.Names) > 0 {
		t.Errorf("the image that a VM uses is %+v", old)
	}
	if newA.ID != newB.ID {
		t.Errorf("one digest is stored as %s and %s", newA.ID, newB.ID)
	}
	for name, want := range map[string]string{"a": newA.ID, "b": newB.ID, used.ID[:8]: used.ID} {
		if got, err := f.Get(t.Context(), name); err != nil || got.ID != want {
			t.Errorf("Get(%q) = %s, %v; want %s", name, got.ID, err, want)
		}
	}
}

func TestOneDigestUnderSeveralNames(t *testing.T) {
	f := newFixture()
	a := f.pull(t, "a")
	b, err := f.Pull(t.Context(), image.PullRequest{Ref: "docker.io/library/debian:12", Name: "b", DiskBytes: 1 << 30}, &stages{})
	if err != nil || a.ID != b.ID || f.source.unpacked != 1 || len(f.store.images) != 1 {
		t.Fatalf("%+v, %v; unpacked %d times", b, err, f.source.unpacked)
	}
	for name, disk := range map[string]int64{"a": 0, "b": 1 << 30, "docker.io/library/debian:12": 1 << 30} {
		if got, err := f.Get(t.Context(), name); err != nil || got.DiskBytes != disk || got.ID != a.ID {
			t.Errorf("Get(%q) = %+v, %v", name, got, err)
		}
	}
	// A pull that says no size leaves it.
	f.pull(t, "b")
	if got, err := f.Get(t.Context(), "b"); err != nil || got.DiskBytes != 1<<30 {
		t.Errorf("after another pull: %+v, %v", got, err)
	}
	f.users[a.ID] = []string{"vm1"}
	if err := f.Delete(t.Context(), a.ID); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a, b") || !strings.HasSuffix(fault.HintOf(err).String(), "image delete a") {
		t.Errorf("by id: %v, want a Conflict that lists the names", err)
	}
	if err := f.Delete(t.Context(), "a"); err != nil {
		t.Errorf("one of two names: %v", err)
	}
	if err := f.Delete(t.Context(), "b"); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "vm1") {
		t.Errorf("the last name of an image in use: %v", err)
	}
	delete(f.users, a.ID)
	if err := f.Delete(t.Context(), "b"); err != nil || len(f.store.images) != 0 {
		t.Errorf("the last name: %v, left %v", err, f.store.images)
	}
}

// TestAnotherKernelSharesTheFiles: one digest with another kernel is another image,
// with the same filesystem.
func TestAnotherKernelSharesTheFiles(t *testing.T) {
	f := newFixture()
	plain := f.pull(t, "plain")
	get := func(name string) image.Image {
		m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: name, Kernel: "k"}, &stages{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	withKernel := get("kernel")
	if withKernel.ID == plain.ID || f.source.unpacked != 1 || cmp.Diff([]string{plain.ID}, f.store.shared) != "" || withKernel.RootfsBytes != 42 {
		t.Errorf("%+v, unpacked %d times, shared %v", withKernel, f.source.unpacked, f.store.shared)
	}
	f.store.cannotShare = true
	if other, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "other", Kernel: "k2"}, &stages{}); err != nil || f.source.unpacked != 2 || other.RootfsBytes != 42 {
		t.Errorf("without hard links: %+v, %v, unpacked %d times", other, err, f.source.unpacked)
	}
}

// gated is content whose files come when they are let.
type gated struct {
	*fakeContent
	digest string
	gate   chan struct{}
}

func (g gated) Info() image.Info { return image.Info{Digest: g.digest} }

func (g gated) Unpack(ctx context.Context, p operation.Progress, write func(io.Reader) error) error {
	<-g.gate
	return g.fakeContent.Unpack(ctx, p, write)
}

type race struct {
	image image.Image
	err   error
}

func (f *fixture) start(ctx context.Context, digest string, req image.PullRequest) (gate chan struct{}, done chan race) {
	gate, done = make(chan struct{}), make(chan race, 1)
	f.source.next = gated{&fakeContent{s: f.source}, digest, gate}
	req.Ref = "debian:12"
	go func() {
		m, err := f.Pull(ctx, req, &stages{})
		done <- race{m, err}
	}()
	synctest.Wait()
	return gate, done
}

func TestTwoPullsToOneName(t *testing.T) {
	t.Run("of two digests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			gate, first := f.start(t.Context(), "sha256:1", image.PullRequest{Name: "d"})
			_, second := f.start(t.Context(), "sha256:2", image.PullRequest{Name: "d"})
			if lost := <-second; !errors.Is(lost.err, fault.Conflict) || !strings.Contains(lost.err.Error(), `"d"`) {
				t.Errorf("the second: %v", lost.err)
			}
			close(gate)
			if won := <-first; won.err != nil || won.image.Digest != "sha256:1" {
				t.Errorf("the first: %+v", won)
			}
		})
	})
	t.Run("of which the second replaces", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			gate, first := f.start(t.Context(), "sha256:1", image.PullRequest{Name: "d"})
			other, second := f.start(t.Context(), "sha256:2", image.PullRequest{Name: "d", Replace: true})
			close(other)
			if won := <-second; won.err != nil || won.image.Digest != "sha256:2" {
				t.Errorf("the second: %+v", won)
			}
			close(gate)
			if lost := <-first; !errors.Is(lost.err, fault.Conflict) || f.store.staged != 0 {
				t.Errorf("the first: %v, %d staged", lost.err, f.store.staged)
			}
			if got, err := f.Get(t.Context(), "d"); err != nil || got.Digest != "sha256:2" || len(f.store.images) != 1 {
				t.Errorf("the name leads to %+v, %v", got, err)
			}
		})
	})
	t.Run("of one digest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			gate, first := f.start(t.Context(), "sha256:1", image.PullRequest{Name: "d"})
			_, second := f.start(t.Context(), "sha256:1", image.PullRequest{Name: "e"})
			ctx, cancel := context.WithCancel(t.Context())
			_, third := f.start(ctx, "sha256:1", image.PullRequest{Name: "f"})
			cancel()
			if gaveUp := <-third; !errors.Is(gaveUp.err, context.Canceled) {
				t.Errorf("the third: %v", gaveUp.err)
			}
			close(gate)
			a, b := <-first, <-second
			if a.err != nil || b.err != nil || a.image.ID != b.image.ID || f.source.unpacked != 1 {
				t.Errorf("%v, %v; unpacked %d times", a.err, b.err, f.source.unpacked)
			}
		})
	})
}

// TestATarIsComparedAtItsEnd: its digest is not known before.
func TestATarIsComparedAtItsEnd(t *testing.T) {
	f := newFixture()
	pull := func(digest string, replace bool) (image.Image, error) {
		f.source.late, f.source.digest = true, digest
		return f.Pull(t.Context(), image.PullRequest{Ref: "tar:/x.tar", Name: "d", Replace: replace}, &stages{})
	}
	first, err := pull("sha256:1", false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := pull("sha256:1", false); err != nil || again.ID != first.ID || len(f.store.images) != 1 || f.store.staged != 0 {
		t.Errorf("the same: %+v, %v", again, err)
	}
	if _, err := pull("sha256:2", false); !errors.Is(err, fault.Conflict) || f.store.staged != 0 {
		t.Errorf("another: %v, %d staged", err, f.store.staged)
	}
	delete(f.store.disk.files, f.Rootfs(first.Manifest))
	if healed, err := pull("sha256:1", false); err != nil || f.Usable(healed.Manifest) != nil || len(f.store.images) != 1 {
		t.Errorf("the same, whose file was missing: %+v, %v", healed, err)
	}
	if second, err := pull("sha256:2", true); err != nil || second.ID == first.ID || len(f.store.images) != 1 {
		t.Errorf("replaced: %+v, %v", second, err)
	}
}

// TestSweepSettlesNames: what a crash between two manifests leaves.
func TestSweepSettlesNames(t *testing.T) {
	f := newFixture()
	f.store.add("aaa000000000", "d", "", 1)
	f.store.add("bbb000000000", "d", "", 2)
	f.store.add("ccc000000000", "d", "", 3)
	f.store.add("ddd000000000", "", "", 4) // its last VM was deleted
	f.users["bbb000000000"] = []string{"vm1"}
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.store.images) != 2 || len(f.store.images["bbb000000000"].Names) != 0 || len(f.store.images["ccc000000000"].Names) != 1 {
		t.Errorf("left %+v", f.store.images)
	}
}

func TestManifestsOfOlderFormats(t *testing.T) {
	m, err := image.ParseManifest([]byte(`{"format":1,"id":"abc","name":"d","ref":"debian:12","created_at":"2026-01-02T03:04:05Z"}`))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := image.Manifest{Format: image.ManifestFormat, ID: "abc", Origin: image.FromReference, Source: "debian:12", CreatedAt: at, Names: []image.Name{{Name: "d", Ref: "debian:12", At: at}}}
	if diff := cmp.Diff(want, m); diff != "" || err != nil {
		t.Errorf("format 1: %v\n%s", err, diff)
	}
	if m, err := image.ParseManifest([]byte(`{"format":1,"name":""}`)); err != nil || len(m.Names) != 0 {
		t.Errorf("without a name: %+v, %v", m, err)
	}
	if _, err := image.ParseManifest([]byte(`{"format":99}`)); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "99") {
		t.Errorf("a newer one: %v", err)
	}
}
