package imagestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

// staging is the directory images/<id>.staging.
type staging struct {
	store *Store
	id    string
	dir   statedir.Image
	done  bool
}

// Stage begins a new image. An id that is taken is a fault Conflict.
func (s *Store) Stage(ctx context.Context, id string) (image.Staging, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !statedir.ValidImageID(id) {
		return nil, fault.New(fault.Invalid, "%q is not an image ID", id)
	}
	if _, err := os.Lstat(string(s.dirs.Image(id))); err == nil {
		return nil, fault.New(fault.Conflict, "image %s exists", id)
	}
	st := &staging{store: s, id: id, dir: s.dirs.Image(id + statedir.StagingSuffix)}
	if err := os.MkdirAll(s.dirs.Images(), 0o700); err != nil {
		return nil, statedir.DiskFault(err, string(st.dir))
	}
	if err := os.Mkdir(string(st.dir), 0o700); err != nil {
		return nil, statedir.DiskFault(err, string(st.dir))
	}
	return st, nil
}

func (st *staging) RootfsPath() string { return st.dir.Rootfs() }

// ShareRootfs makes a hard link.
func (st *staging) ShareRootfs(id string) (bool, error) {
	if !statedir.ValidImageID(id) {
		return false, fault.New(fault.Invalid, "%q is not an image id", id)
	}
	err := os.Link(st.store.dirs.Image(id).Rootfs(), st.dir.Rootfs())
	for _, no := range []error{fs.ErrNotExist, syscall.EPERM, syscall.EMLINK, syscall.EOPNOTSUPP} {
		if errors.Is(err, no) {
			return false, nil
		}
	}
	return err == nil, statedir.DiskFault(err, string(st.dir))
}

func (st *staging) KernelDir() string { return string(st.dir.Kernel()) }

func (st *staging) LayersDir() string { return st.dir.Layers() }

// ShareLayers makes hard links, or copies.
func (st *staging) ShareLayers(m image.Manifest) (bool, error) {
	if err := os.Mkdir(st.dir.Layers(), 0o700); err != nil {
		return false, statedir.DiskFault(err, string(st.dir))
	}
	for _, l := range m.Layers {
		from, to := st.store.LayerPath(m.ID, l.Digest), st.store.layerIn(st.dir, l.Digest)
		err := statedir.Link(from, to)
		switch {
		case errors.Is(err, fs.ErrExist): // two commits changed the same
		case errors.Is(err, fs.ErrNotExist):
			return false, os.RemoveAll(st.dir.Layers())
		case err != nil:
			return false, statedir.DiskFault(err, string(st.dir))
		}
	}
	return true, nil
}

// Commit expects the filesystem and the layers to be synced already.
func (st *staging) Commit(m image.Manifest) error {
	if m.ID != st.id {
		return fault.New(fault.Internal, "the manifest of image %s cannot be stored as %s", m.ID, st.id)
	}
	images := st.store.dirs.Images()
	if err := writeManifest(st.dir.Manifest(), m); err != nil {
		return statedir.DiskFault(err, string(st.dir))
	}
	if m.External == nil {
		if err := os.Chmod(st.dir.Rootfs(), 0o400); err != nil {
			return err
		}
	}
	if len(m.Layers) > 0 {
		if err := statedir.SyncDir(st.dir.Layers()); err != nil {
			return statedir.DiskFault(err, string(st.dir))
		}
	}
	if err := statedir.SyncDir(string(st.dir)); err != nil {
		return statedir.DiskFault(err, string(st.dir))
	}
	if err := os.Rename(string(st.dir), string(st.store.dirs.Image(st.id))); err != nil {
		return statedir.DiskFault(err, string(st.dir))
	}
	st.done = true
	st.store.backUp(m)
	return statedir.SyncDir(images)
}

func (st *staging) Discard() error {
	if st.done {
		return nil
	}
	return os.RemoveAll(string(st.dir))
}
