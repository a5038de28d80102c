package image_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/image"
)

// TestPrune: what a VM uses, or an operation has in hand, stays.
func TestPrune(t *testing.T) {
	f := newFixture()
	pull := func(name, digest string) image.Image {
		t.Helper()
		f.source.digest = digest
		m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: name, Replace: true}, &stages{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	used := pull("a", "sha256:1")
	f.users[used.ID] = []string{"web"}
	named := pull("a", "sha256:2") // used lost its name
	second := pull("b", "sha256:2")
	unused := func(all bool) []string {
		t.Helper()
		found, err := f.Unused(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range found {
			ids = append(ids, m.ID)
		}
		return ids
	}
	if second.ID != named.ID || len(unused(false)) != 0 {
		t.Errorf("nameless and unused: %v", unused(false))
	}
	if diff := cmp.Diff([]string{named.ID}, unused(true)); diff != "" {
		t.Errorf("unused: %s", diff)
	}
	delete(f.users, used.ID)
	if diff := cmp.Diff([]string{used.ID}, unused(false)); diff != "" {
		t.Errorf("without its VM: %s", diff)
	}
	for _, test := range []struct {
		id   string
		all  bool
		want bool
	}{{named.ID, false, false}, {used.ID, false, true}, {used.ID, false, false}, {named.ID, true, true}} {
		if done, err := f.Prune(t.Context(), test.id, test.all); err != nil || done != test.want {
			t.Errorf("Prune(%s, %v): %v, %v", test.id, test.all, done, err)
		}
	}
	if len(f.store.images) != 0 {
		t.Errorf("left: %v", f.store.images)
	}
}

// TestObtainHolds: between an image and its VM nobody removes it.
func TestObtainHolds(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := f.Obtain(ctx, "d", "", &stages{}); err != nil {
		t.Fatal(err)
	}
	if found, err := f.Unused(t.Context(), true); err != nil || len(found) != 0 {
		t.Errorf("unused: %v, %v", found, err)
	}
	if done, err := f.Prune(t.Context(), m.ID, true); done || err != nil {
		t.Errorf("it was removed: %v, %v", done, err)
	}
	f.source.digest = "sha256:2"
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "d", Replace: true}, &stages{}); err != nil {
		t.Fatal(err)
	}
	if _, there := f.store.images[m.ID]; !there {
		t.Error("the loss of its name removed it")
	}
	cancel()
	f.untilReleased(t, m.ID)
	if done, err := f.Prune(t.Context(), m.ID, false); !done || err != nil {
		t.Errorf("it stays: %v, %v", done, err)
	}
}

// untilReleased waits until nothing has the image in hand: a context that ends says so
// in a goroutine.
func (f *fixture) untilReleased(t *testing.T, id string) {
	t.Helper()
	for {
		found, err := f.Unused(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range found {
			if m.ID == id {
				return
			}
		}
		if t.Context().Err() != nil {
			t.Fatal("it is never released")
		}
	}
}
