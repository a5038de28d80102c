package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// age makes an image one that a build before health checks stored, and with that the
// source has one.
func (f *fixture) age(m image.Manifest) image.Manifest {
	m.ConfigFormat = 0
	f.store.images[m.ID] = m
	f.source.config.HealthCheck = &image.HealthCheck{Argv: []string{"check"}}
	return m
}

func checked(m image.Manifest) bool {
	return m.ConfigFormat == image.ConfigFormat && m.Config.HealthCheck != nil
}

// TestOlderConfigurations: the first use that has the source's configuration stores it,
// and no read does.
func TestOlderConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		use    func(t *testing.T, f *fixture, m image.Manifest) (image.Manifest, error)
		cached bool
	}{
		"pull": {func(t *testing.T, f *fixture, _ image.Manifest) (image.Manifest, error) {
			return f.pull(t, "d").Manifest, nil
		}, false},
		"pull of a missing file": {func(t *testing.T, f *fixture, m image.Manifest) (image.Manifest, error) {
			delete(f.store.disk.files, f.Rootfs(m))
			return f.pull(t, "d").Manifest, nil
		}, false},
		"repair": {func(t *testing.T, f *fixture, _ image.Manifest) (image.Manifest, error) {
			done, err := f.Repair(t.Context(), "d", &stages{})
			if !done.Changed {
				t.Error("the repair says that nothing changed")
			}
			return done.Manifest, err
		}, false},
		"vm create": {func(t *testing.T, f *fixture, _ image.Manifest) (image.Manifest, error) {
			m, err := f.Obtain(t.Context(), "d", "", &stages{})
			return m.Manifest, err
		}, true},
		"a start": {func(t *testing.T, f *fixture, m image.Manifest) (image.Manifest, error) {
			used, err := f.Used(t.Context(), m.ID)
			return used.Manifest, err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			m := f.age(f.pull(t, "d").Manifest)
			check := f.unchanged(t, "a read")
			if got, err := f.Get(t.Context(), "d"); err != nil || checked(got.Manifest) {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := f.Verify(t.Context(), "d", &stages{}); err != nil {
				t.Error(err)
			}
			if test.cached { // nothing is asked of a registry
				if got, err := test.use(t, f, m); err != nil || checked(got) || f.source.opened != "debian:12" {
					t.Errorf("without a cache: %+v, %v, from %s", got, err, f.source.opened)
				}
			}
			check()
			f.source.remembers = test.cached
			got, err := test.use(t, f, m)
			if stored := f.store.images[m.ID]; err != nil || !checked(got) || !checked(stored) || got.ID != m.ID {
				t.Errorf("%+v, %v; stored %+v", got, err, stored)
			}
		})
	}
}

// TestOlderConfigurationsThatNothingTells stay as they are.
func TestOlderConfigurationsThatNothingTells(t *testing.T) {
	for name, spoil := range map[string]func(f *fixture){
		"another digest":          func(f *fixture) { f.source.digest = "sha256:2" },
		"no registry":             func(f *fixture) { f.source.fail = fault.New(fault.Unavailable, "no network") },
		"more than a VM can have": func(f *fixture) { f.source.config.Cmd = []string{strings.Repeat("x", 1<<20)} },
	} {
		f := newFixture()
		m := f.age(f.pull(t, "d").Manifest)
		spoil(f)
		check := f.unchanged(t, name)
		if done, err := f.Repair(t.Context(), "d", &stages{}); err != nil || done.Changed || checked(done.Manifest) {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		if got, err := f.Used(t.Context(), m.ID); err != nil || checked(got.Manifest) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		check()
	}
}

// TestOlderConfigurationOfADamagedImage: a start repairs nothing, and a repair all.
func TestOlderConfigurationOfADamagedImage(t *testing.T) {
	f := newFixture()
	m := f.age(f.pull(t, "d").Manifest)
	f.harm(m)
	f.source.remembers = true
	check := f.unchanged(t, "a start")
	if got, err := f.Used(t.Context(), m.ID); err != nil || f.Usable(got.Manifest) == nil {
		t.Errorf("%+v, %v", got, err)
	}
	check()
	if done, err := f.Repair(t.Context(), "d", &stages{}); err != nil || !checked(done.Manifest) || f.Usable(done.Manifest) != nil {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestOlderCommits learn from the image below, and are as old as that before.
func TestOlderCommits(t *testing.T) {
	f, _, base, _ := committed(t)
	f.age(base.Manifest)
	made := f.commit(t, base.ID, "sha256:3", "again")
	f.source.digest = "sha256:1"
	if made.ConfigFormat != 0 {
		t.Errorf("it passes for one of this build: %+v", made)
	}
	f.store.images[made.ID].Base.Origin = image.Untold
	done, err := f.Repair(t.Context(), "again", &stages{})
	if err != nil || !checked(done.Manifest) || f.source.opened != "debian@sha256:1" || done.Base.Origin != image.FromReference || done.Origin != image.FromVM {
		t.Errorf("%+v, %v, from %s", done, err, f.source.opened)
	}
}

// TestUntoldOrigins: an older build's image from vm:web is a registry's if that has its
// digest, and else may have been committed.
func TestUntoldOrigins(t *testing.T) {
	f := newFixture()
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "vm:web", Name: "d"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	m.Origin = image.Untold
	old := f.age(m.Manifest)
	delete(f.store.disk.files, f.Rootfs(old))
	f.source.fail = fault.New(fault.NotFound, "no such image")
	check := f.unchanged(t, "Repair")
	_, err = f.Repair(t.Context(), "d", &stages{})
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.NotFound) || !strings.HasPrefix(hint, "commit the VM again: vm commit web d (replace); ") {
		t.Errorf("committed: %v (%s)", err, hint)
	}
	check()
	f.source.fail = nil
	done, err := f.Repair(t.Context(), "d", &stages{})
	if err != nil || done.Origin != image.FromReference || !checked(done.Manifest) || f.Usable(done.Manifest) != nil {
		t.Errorf("pulled: %+v, %v", done, err)
	}
}

// TestNewerImages: nobody but their user removes them.
func TestNewerImages(t *testing.T) {
	f := newFixture()
	const id = "aaaaaaaaaaaa"
	of := func(text string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(text), nil } }
	m, err := image.Recovered(id, of(`{"format": 9}`), of(`{"format": 2, "id": "`+id+`", "names": [{"name": "d"}]}`))
	if want := (image.Manifest{ID: id, Newer: true, Damaged: m.Damaged}); err != nil || cmp.Diff(want, m) != "" {
		t.Fatalf("%+v, %v", m, err)
	}
	f.store.images[id] = m
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, all := range []bool{false, true} {
		if unused, err := f.Unused(t.Context(), all); err != nil || len(unused) != 0 {
			t.Errorf("unused: %+v, %v", unused, err)
		}
		if gone, err := f.Prune(t.Context(), id, all); err != nil || gone {
			t.Errorf("pruned: %v, %v", gone, err)
		}
	}
	if _, err := f.Repair(t.Context(), id, &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(fault.HintOf(err).String(), "as new as") {
		t.Errorf("repair: %v (%s)", err, fault.HintOf(err))
	}
	if err := f.Delete(t.Context(), id); err != nil || len(f.store.images) != 0 {
		t.Errorf("%v, left %v", err, f.store.images)
	}
}
