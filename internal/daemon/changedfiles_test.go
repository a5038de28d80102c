package daemon

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

// rot changes one byte of a file's content, whose size and time stay.
func rot(t *testing.T, path, content string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(content))
	if at < 0 {
		t.Fatalf("%s has no %q", path, content)
	}
	data[at] ^= 0x20
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, data, 0o600), os.Chtimes(path, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// mustRefuse fails the test unless err proposes to repair the image.
func mustRefuse(t *testing.T, what, name string, err error) {
	t.Helper()
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has changed: its SHA-256 is") ||
		fault.HintOf(err).String() != "to make it again: image repair "+name {
		t.Errorf("%s: %v (hint %q)", what, err, fault.HintOf(err))
	}
}

// TestNothingIsMadeOfChangedFiles: of an image whose file has other bytes than it had, as
// many and as old, there is no archive, no image of a VM and no second image. Once it is
// repaired, there is.
func TestNothingIsMadeOfChangedFiles(t *testing.T) {
	s := newStacked(t)
	rot(t, s.images.Rootfs(s.base.Manifest), "etc/c")
	if err := s.images.Usable(s.base.Manifest); err != nil {
		t.Fatalf("a look finds it: %v", err)
	}
	disk := ext4test.Make(t, "mkdir system", "cd system", "mkdir upper")
	commit := func() error {
		req := image.CommitRequest{VM: "web", Base: s.base.ID, Name: "rotten"}
		_, err := commits{s.images}.Commit(t.Context(), req, disk, nil, operation.Discard{})
		return err
	}
	mustRefuse(t, "a commit over it", "base", commit())
	// What was pulled is whole, and so is its archive.
	s.save(t, "base", image.Form{Pulled: 2})
	if err := os.RemoveAll(s.dirs.Blobs()); err != nil {
		t.Fatal(err)
	}
	_, err := s.images.Save(t.Context(), "base")
	mustRefuse(t, "its archive", "base", err)
	// The archive of an image over it has that one's own file, and says why.
	saved, err := s.images.Save(t.Context(), "ready")
	if err != nil {
		t.Fatal(err)
	}
	if form := saved.Form(); form.Merged != 1 || form.Committed != 0 || !strings.HasPrefix(form.Lost, "image base cannot be used: ") {
		t.Errorf("over it: %+v", form)
	}
	if err := saved.Close(); err != nil {
		t.Error(err)
	}
	// The two images, and the copies of their manifests.
	if left, err := os.ReadDir(s.dirs.Images()); err != nil || len(left) != 4 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := s.images.Repair(t.Context(), "base", operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	if err := commit(); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// TestNothingIsMadeOfDamagedMetadata: what cannot even be read as a filesystem is told in
// the same way.
func TestNothingIsMadeOfDamagedMetadata(t *testing.T) {
	s := newStacked(t)
	if err := os.RemoveAll(s.dirs.Blobs()); err != nil {
		t.Fatal(err)
	}
	path := s.images.Rootfs(s.base.Manifest)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, make([]byte, info.Size()), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = s.images.Save(t.Context(), "base")
	mustRefuse(t, "an archive of zeros", "base", err)
}
