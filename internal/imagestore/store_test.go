package imagestore_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/statedir"
)

const id = "0123456789ab"

func newStore(t *testing.T) (*imagestore.Store, statedir.Dirs) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir()}
	return imagestore.New(dirs, slog.New(slog.DiscardHandler)), dirs
}

func add(t *testing.T, s *imagestore.Store, m image.Manifest) {
	t.Helper()
	st, err := s.Stage(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(st.RootfsPath(), []byte("ext4"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.Commit(m), st.Discard()); err != nil {
		t.Fatal(err)
	}
}

func manifest(name string) image.Manifest {
	at := time.Unix(1, 0).UTC()
	m := image.Manifest{Format: image.ManifestFormat, ID: id, Origin: image.FromReference, Source: "debian:12", CreatedAt: at}
	if name != "" {
		m.Names = []image.Name{{Name: name, Ref: "debian:12", At: at}}
	}
	return m
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestCommitMakesTheImageVisible(t *testing.T) {
	s, dirs := newStore(t)
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("an empty store lists %v, %v", all, err)
	}
	add(t, s, manifest("a"))
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]image.Manifest{manifest("a")}, all); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(dirs.Image(id).Rootfs()); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("rootfs.ext4: %v, %v; want it read-only", info, err)
	}
	if _, err := s.Stage(t.Context(), id); !errors.Is(err, fault.Conflict) {
		t.Errorf("staging a taken id: %v, want a Conflict", err)
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	s, dirs := newStore(t)
	st, err := s.Stage(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("what is staged is listed: %v, %v", all, err)
	}
	if err := st.Discard(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, dirs.Images()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestUpdateAndRemove(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	if err := s.Update(t.Context(), manifest("")); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || len(all[0].Names) > 0 {
		t.Errorf("after Update: %v, %v", all, err)
	}
	for range 2 { // the second finds nothing, which is no error
		if err := s.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if left := names(t, dirs.Images()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, bad := range []string{"", "..", "../../x", "0123456789aX"} {
		if err := s.Remove(t.Context(), bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("Remove(%q): %v, want a fault Invalid", bad, err)
		}
	}
}

// TestBigManifests: what is written can be read again, and what could not be is
// not written.
func TestBigManifests(t *testing.T) {
	for name, env := range map[string][]string{
		"a little over a MiB":    {strings.Repeat("e", 1<<20)},
		"six bytes for each one": {strings.Repeat("\x01", 2<<20)},
		"many short ones":        make([]string, 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			m := manifest("big")
			m.Config.Env = env
			add(t, s, m)
			all, err := s.List(t.Context())
			if err != nil || len(all) != 1 || !slices.Equal(all[0].Config.Env, env) {
				t.Errorf("%d images, %v", len(all), err)
			}
		})
	}
	s, dirs := newStore(t)
	m := manifest("too big")
	m.Config.Cmd = []string{strings.Repeat("\x01", 6<<20)}
	st, err := s.Stage(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(m); !errors.Is(err, fault.Invalid) {
		t.Errorf("a manifest that could not be read again: %v", err)
	}
	if err := st.Discard(); err != nil || len(names(t, dirs.Images())) != 0 {
		t.Errorf("left: %v, %v", names(t, dirs.Images()), err)
	}
}

func TestSweep(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	if _, err := s.Stage(t.Context(), "cccccccccccc"); err != nil {
		t.Fatal(err)
	}
	half := dirs.Image(id).Manifest() + statedir.StagingSuffix
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{id, id + ".json"}, names(t, dirs.Images())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{filepath.Base(dirs.Image(id).Manifest()), filepath.Base(dirs.Image(id).Rootfs())}, names(t, string(dirs.Image(id)))); diff != "" {
		t.Error(diff)
	}
}

// TestOwnsFollowsLinks: a file of banger's is told by whatever path.
func TestOwnsFollowsLinks(t *testing.T) {
	home := t.TempDir()
	dirs := statedir.Dirs{State: filepath.Join(home, "state"), Cache: filepath.Join(home, "cache")}
	if err := os.MkdirAll(filepath.Join(dirs.State, "images"), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(home, "mine.ext4")
	for _, file := range []string{mine, filepath.Join(dirs.State, "images", "rootfs.ext4")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(home, "link")
	if err := os.Symlink(dirs.State, link); err != nil {
		t.Fatal(err)
	}
	s := imagestore.New(dirs, slog.New(slog.DiscardHandler))
	for path, want := range map[string]bool{
		mine: false, dirs.State + "d": false, filepath.Join(dirs.State, "images", "rootfs.ext4"): true,
		filepath.Join(link, "images", "rootfs.ext4"): true, filepath.Join(dirs.Cache, "x"): true, filepath.Join(home, "state", "..", "mine.ext4"): false,
	} {
		if got := s.Owns(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
