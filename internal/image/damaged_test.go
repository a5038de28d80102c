package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// harm makes an image Damaged, as its store found it.
func (f *fixture) harm(m image.Manifest) {
	m.Damaged = "its manifest.json is damaged"
	f.store.images[m.ID] = m
}

// TestDamagedImages: one of which the copy tells is found by its name, starts no VM, and
// is whole after a repair.
func TestDamagedImages(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d")
	f.harm(m.Manifest)
	got, err := f.Get(t.Context(), "d")
	if err != nil || got.ID != m.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := f.Usable(got.Manifest); !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() != "to make it again: image repair d" {
		t.Errorf("usable: %v (%s)", err, fault.HintOf(err))
	}
	if _, err := f.Verify(t.Context(), "d", &stages{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("verify: %v", err)
	}
	done, err := f.Repair(t.Context(), "d", &stages{})
	if err != nil || !done.Changed || f.Usable(done.Manifest) != nil || f.source.unpacked != 1 {
		t.Errorf("repaired: %+v, %v, unpacked %d times", done, err, f.source.unpacked)
	}
	if done, err := f.Repair(t.Context(), "d", &stages{}); err != nil || done.Changed {
		t.Errorf("repaired again: %+v, %v", done, err)
	}
	// Without its directory, the files are made again too, by a repair or a pull.
	for name, heal := range map[string]func() error{
		"repair": func() error { _, err := f.Repair(t.Context(), "d", &stages{}); return err },
		"pull":   func() error { f.pull(t, "d"); return nil },
	} {
		f.harm(m.Manifest)
		delete(f.store.disk.files, f.Rootfs(m.Manifest))
		if err := heal(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if healed, err := f.Verify(t.Context(), "d", &stages{}); err != nil || healed.ID != m.ID || healed.Damaged != "" {
			t.Errorf("%s: %+v, %v", name, healed, err)
		}
	}
}

// TestUnknownImages: one of which only the id is known stays until somebody removes it.
func TestUnknownImages(t *testing.T) {
	f := newFixture()
	const id = "aaaaaaaaaaaa"
	f.store.images[id] = image.Lost(id)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := f.Repair(t.Context(), id, &stages{})
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Unavailable) || !strings.HasSuffix(hint, "image delete "+id) {
		t.Errorf("repair: %v (%s)", err, hint)
	}
	if unused, err := f.Unused(t.Context(), false); err != nil || len(unused) != 1 {
		t.Errorf("unused: %v, %v", unused, err)
	}
	if err := f.Delete(t.Context(), id); err != nil || len(f.store.images) != 0 {
		t.Errorf("%v, left %v", err, f.store.images)
	}
}

// TestAnImageCalledVM is a registry's, whatever a committed image is called.
func TestAnImageCalledVM(t *testing.T) {
	f := newFixture()
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "vm:1.0"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	delete(f.store.disk.files, f.Rootfs(m.Manifest))
	if _, err := f.Repair(t.Context(), m.ID, &stages{}); err != nil || f.source.opened != "vm@sha256:1" {
		t.Errorf("%v, from %q", err, f.source.opened)
	}
	for source, want := range map[string]image.Origin{
		`"ref": "debian:12"`: image.FromReference, `"ref": "vm:web"`: image.Untold, `"ref": "vm:web", "base": {}`: image.FromVM, `"ref": "/r.ext4", "external": {"path": "/r.ext4"}`: image.FromFile,
		`"ref": "vm:web", "origin": "reference"`: image.FromReference,
	} {
		if m, err := image.ParseManifest([]byte(`{"format": 2, ` + source + `}`)); err != nil || m.Origin != want {
			t.Errorf("%s: %q, %v; want %q", source, m.Origin, err, want)
		}
	}
}
