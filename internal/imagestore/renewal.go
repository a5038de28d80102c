package imagestore

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

// renewal is the file images/<id>/rootfs.ext4.staging.
type renewal struct {
	store *Store
	id    string
	path  string
}

// Renew implements image.Store. What an earlier Renew left is removed.
func (s *Store) Renew(ctx context.Context, id string) (image.Renewal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !statedir.ValidImageID(id) {
		return nil, fault.New(fault.Invalid, "%q is not an image id", id)
	}
	r := &renewal{store: s, id: id, path: s.dirs.Image(id).Rootfs() + statedir.StagingSuffix}
	if err := os.MkdirAll(string(s.dirs.Image(id)), 0o700); err != nil { // of a damaged one it may be gone
		return nil, statedir.DiskFault(err, r.path)
	}
	if err := makeRoom(s.dirs.Image(id).Rootfs(), id); err != nil {
		return nil, err
	}
	return r, r.Discard()
}

// makeRoom removes an empty directory that stands in the place of an image's file. One with
// something in it is a Conflict: that is not banger's.
func makeRoom(path, id string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return nil //nolint:nilerr // whoever writes the file tells what is wrong
	}
	if err := os.Remove(path); err != nil {
		return fault.Wrap(fault.Conflict, err, "a directory is in the place of the file %s", path).
			WithHint("move it elsewhere, then: %s", act.ImageRepair.On(id))
	}
	return nil
}

func (r *renewal) RootfsPath() string { return r.path }

// Commit expects the filesystem to be synced already.
func (r *renewal) Commit(m image.Manifest) error {
	if m.ID != r.id {
		return fault.New(fault.Internal, "the manifest of image %s was to be stored as %s", m.ID, r.id)
	}
	if err := os.Chmod(r.path, 0o400); err != nil {
		return err
	}
	if err := os.Rename(r.path, r.store.dirs.Image(r.id).Rootfs()); err != nil {
		return statedir.DiskFault(err, r.path)
	}
	return r.store.update(m)
}

func (r *renewal) Discard() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
