package imagestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
)

// only returns the one image that there is.
func only(t *testing.T, s *imagestore.Store) image.Manifest {
	t.Helper()
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d images, %v", len(all), err)
	}
	return all[0]
}

// TestDamagedManifests: an image stays listed whatever becomes of its manifest, with all
// that the copy tells; stored again it is whole.
func TestDamagedManifests(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(dir, manifest string) error
		want   string
	}{
		"cut off": {func(_, manifest string) error { return os.Truncate(manifest, 40) }, "manifest.json is damaged"},
		"empty":   {func(_, manifest string) error { return os.Truncate(manifest, 0) }, "manifest.json is damaged"},
		"of another image": {func(_, manifest string) error {
			return os.WriteFile(manifest, []byte(`{"id": "ffffffffffff"}`), 0o600)
		}, "manifest.json is damaged"},
		"a pipe without a writer": {func(_, manifest string) error {
			return errors.Join(os.Remove(manifest), syscall.Mkfifo(manifest, 0o600))
		}, "manifest.json is damaged"},
		"removed":        {func(_, manifest string) error { return os.Remove(manifest) }, "manifest.json is missing"},
		"with all files": {func(dir, _ string) error { return os.RemoveAll(dir) }, "manifest.json is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dirs := newStore(t)
			add(t, s, manifest("a"))
			if err := test.damage(string(dirs.Image(id)), dirs.Image(id).Manifest()); err != nil {
				t.Fatal(err)
			}
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := only(t, s)
			if !strings.Contains(got.Damaged, test.want) || got.Unknown() {
				t.Errorf("it is said to be %q", got.Damaged)
			}
			got.Damaged = ""
			if diff := cmp.Diff(manifest("a"), got); diff != "" {
				t.Error(diff)
			}
			if err := s.Update(t.Context(), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(manifest("a"), only(t, s)); diff != "" {
				t.Errorf("stored again: %s", diff)
			}
			if err := s.Remove(t.Context(), id); err != nil || len(names(t, dirs.Images())) != 0 {
				t.Errorf("removed: %v, left %v", err, names(t, dirs.Images()))
			}
		})
	}
}

// TestNothingIsKnown: of an image without a copy its id is left, and it can be removed.
func TestNothingIsKnown(t *testing.T) {
	for name, damage := range map[string]func(manifest, backup string) error{
		"no copy": func(manifest, backup string) error { return errors.Join(os.Truncate(manifest, 9), os.Remove(backup)) },
		"a damaged copy": func(manifest, backup string) error {
			return errors.Join(os.Truncate(manifest, 9), os.Truncate(backup, 9))
		},
		"only a directory": func(manifest, backup string) error { return errors.Join(os.Remove(manifest), os.Remove(backup)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dirs := newStore(t)
			add(t, s, manifest("a"))
			if err := damage(dirs.Image(id).Manifest(), dirs.ImageCopy(id)); err != nil {
				t.Fatal(err)
			}
			if got := only(t, s); got.ID != id || !got.Unknown() || got.Damaged == "" || len(got.Names) != 0 {
				t.Errorf("%+v", got)
			}
			if err := s.Remove(t.Context(), id); err != nil || len(names(t, dirs.Images())) != 0 {
				t.Errorf("removed: %v, left %v", err, names(t, dirs.Images()))
			}
		})
	}
}

// TestSweepCopies: an image of an earlier build gets the copy of its manifest, and one
// whose copy is that of before gets a new one.
func TestSweepCopies(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	for _, spoil := range []func() error{
		func() error { return os.Remove(dirs.ImageCopy(id)) },
		func() error { return os.WriteFile(dirs.ImageCopy(id), []byte("{}"), 0o600) },
	} {
		if err := errors.Join(spoil(), s.Sweep(t.Context())); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(dirs.Image(id).Manifest())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(dirs.ImageCopy(id)); err != nil || string(got) != string(want) {
			t.Errorf("the copy is %q, %v", got, err)
		}
	}
	// What is not an image's is no image.
	for _, name := range []string{"notes.json", "README"} {
		if err := os.WriteFile(filepath.Join(dirs.Images(), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	only(t, s)
}

// TestNewerManifests: an image of a newer build is left as it is, whatever its manifest
// has become, and the others are listed as ever.
func TestNewerManifests(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	other := manifest("o")
	other.ID = "ffffffffffff"
	add(t, s, other)
	newer := []byte(`{"format": 3, "id": "` + id + `", "names": "of another type"}`)
	for _, path := range []string{dirs.Image(id).Manifest(), dirs.ImageCopy(id)} {
		if err := os.WriteFile(path, newer, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		i := slices.IndexFunc(all, func(m image.Manifest) bool { return m.ID == id })
		if got := all[i]; !got.Newer || !got.Unknown() || !strings.Contains(got.Damaged, "format 3") {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff(other, all[1-i]); diff != "" {
			t.Error(diff)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != string(newer) {
			t.Errorf("%s is %q now, %v", path, kept, err)
		}
		if err := os.Truncate(dirs.Image(id).Manifest(), 3); err != nil {
			t.Fatal(err)
		}
	}
}
