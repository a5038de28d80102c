package imagestore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func renew(t *testing.T, s *imagestore.Store) image.Renewal {
	t.Helper()
	r, err := s.Renew(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.RootfsPath(), "new")
	return r
}

func TestRenew(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	path := dirs.Image(id).Rootfs()
	if err := renew(t, s).Discard(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "ext4" || len(names(t, string(dirs.Image(id)))) != 2 {
		t.Errorf("discarded: %q, %v, %v", got, err, names(t, string(dirs.Image(id))))
	}
	r := renew(t, s)
	if err := r.Commit(image.Manifest{ID: "abc"}); !errors.Is(err, fault.Internal) {
		t.Errorf("with another's manifest: %v", err)
	}
	m := manifest("a")
	m.RootfsSHA256 = "new"
	if err := errors.Join(r.Commit(m), r.Discard()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if got, _ := os.ReadFile(path); err != nil || string(got) != "new" || info.Mode().Perm() != 0o400 {
		t.Errorf("committed: %q, %v, %v", got, info, err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].RootfsSHA256 != "new" {
		t.Errorf("listed: %+v, %v", all, err)
	}
	if _, err := s.Renew(t.Context(), "../x"); !errors.Is(err, fault.Invalid) {
		t.Errorf("of a path: %v", err)
	}
}

// TestExternalFiles: they stay where they are, whatever becomes of the image.
func TestExternalFiles(t *testing.T) {
	s, dirs := newStore(t)
	mine := filepath.Join(t.TempDir(), "mine")
	write(t, mine, "mine")
	m := manifest("a")
	m.External = &image.External{Path: mine}
	st, err := s.Stage(t.Context(), id)
	if err == nil {
		err = errors.Join(st.Commit(m), st.Discard())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := s.RootfsPath(m); got != mine {
		t.Errorf("its file is %s", got)
	}
	// A crash after the first half of a promotion leaves the copy, which nobody uses.
	write(t, dirs.Image(id).Rootfs(), "copy")
	write(t, dirs.Image(id).Rootfs()+".staging", "half a copy")
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := names(t, string(dirs.Image(id))); len(left) != 1 || left[0] != "manifest.json" {
		t.Errorf("left %v", left)
	}
	if err := s.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(mine); err != nil || string(got) != "mine" {
		t.Errorf("the user's file: %q, %v", got, err)
	}
}

func TestStat(t *testing.T) {
	s, _ := newStore(t)
	path := filepath.Join(t.TempDir(), "f")
	if _, err := s.Stat(path); !errors.Is(err, fault.NotFound) {
		t.Errorf("none: %v", err)
	}
	write(t, path, "four")
	before, err := s.Stat(path)
	if err != nil || before.Bytes != 4 || before.Inode == 0 || before.ModifiedAt.IsZero() {
		t.Errorf("%+v, %v", before, err)
	}
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "four")
	if after, err := s.Stat(path); err != nil || after.Inode == before.Inode {
		t.Errorf("another file has the inode %d too (%v)", after.Inode, err)
	}
	if _, err := s.Stat(filepath.Join(path, "below")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
}

// TestAnImageWithoutItsFileIsListed: it can be repaired.
func TestAnImageWithoutItsFileIsListed(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	if err := os.Remove(dirs.Image(id).Rootfs()); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestShareRootfs(t *testing.T) {
	s, dirs := newStore(t)
	add(t, s, manifest("a"))
	const other = "cccccccccccc"
	st, err := s.Stage(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if shared, err := st.ShareRootfs("dddddddddddd"); shared || err != nil {
		t.Errorf("of none: %v, %v", shared, err)
	}
	if shared, err := st.ShareRootfs(id); !shared || err != nil {
		t.Fatal(shared, err)
	}
	m := manifest("b")
	m.ID = other
	if err := st.Commit(m); err != nil {
		t.Fatal(err)
	}
	a, errA := s.Stat(dirs.Image(id).Rootfs())
	b, errB := s.Stat(dirs.Image(other).Rootfs())
	if errA != nil || errB != nil || a != b {
		t.Errorf("%+v and %+v (%v, %v)", a, b, errA, errB)
	}
	if err := s.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dirs.Image(other).Rootfs()); err != nil || string(got) != "ext4" {
		t.Errorf("after the first is gone: %q, %v", got, err)
	}
}

// TestDirectoriesInThePlaceOfFiles: an empty one gives way, and one with something in it is
// told and stays.
func TestDirectoriesInThePlaceOfFiles(t *testing.T) {
	for what, work := range map[string]func(s *imagestore.Store) error{
		"rootfs.ext4": func(s *imagestore.Store) error {
			r, err := s.Renew(t.Context(), id)
			if err != nil {
				return err
			}
			write(t, r.RootfsPath(), "new")
			return errors.Join(r.Commit(manifest("a")), r.Discard())
		},
		"manifest.json": func(s *imagestore.Store) error { return s.Update(t.Context(), manifest("a")) },
	} {
		for _, full := range []bool{false, true} {
			s, dirs := newStore(t)
			add(t, s, manifest("a"))
			path := filepath.Join(string(dirs.Image(id)), what)
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
			if state, err := s.Stat(path); err != nil || !state.Directory {
				t.Errorf("%s: %+v, %v", what, state, err)
			}
			if full {
				write(t, filepath.Join(path, "mine"), "")
			}
			err := work(s)
			info, statErr := os.Lstat(path)
			switch {
			case statErr != nil || info.IsDir() != full:
				t.Errorf("%s: %v, %v after %v", what, info, statErr, err)
			case !full && err != nil:
				t.Errorf("an empty %s: %v", what, err)
			case full && (fault.CodeOf(err) != fault.Conflict || fault.HintOf(err).String() != "move it elsewhere, then: image repair "+id):
				t.Errorf("a full %s: %v, hint %q", what, err, fault.HintOf(err))
			case full:
				if left := names(t, string(dirs.Image(id))); len(left) != 2 {
					t.Errorf("left: %v", left)
				}
			}
		}
	}
}
