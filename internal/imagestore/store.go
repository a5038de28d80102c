// Package imagestore keeps images as directories: manifest.json and
// rootfs.ext4, staged beside their place and renamed in.
package imagestore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

// Store is the images of one state directory. It is safe for concurrent use.
type Store struct {
	dirs statedir.Dirs
	log  *slog.Logger
}

// New returns the Store of the directories. It makes nothing.
func New(dirs statedir.Dirs, log *slog.Logger) *Store { return &Store{dirs: dirs, log: log} }

// RootfsPath implements image.Store.
func (s *Store) RootfsPath(m image.Manifest) string {
	if m.External != nil {
		return m.External.Path
	}
	return s.dirs.Image(m.ID).Rootfs()
}

// LayerPath implements image.Store.
func (s *Store) LayerPath(id, digest string) string {
	return s.layerIn(s.dirs.Image(id), digest)
}

// layerIn is the file of a layer in an image's directory, whatever the manifest says.
func (*Store) layerIn(dir statedir.Image, digest string) string {
	return filepath.Join(dir.Layers(), filepath.Base(strings.TrimPrefix(digest, "sha256:")))
}

// Owns implements image.Store.
func (s *Store) Owns(path string) bool {
	path = resolved(path)
	for _, dir := range []string{s.dirs.State, s.dirs.Cache} {
		if below, err := filepath.Rel(resolved(dir), path); err == nil && filepath.IsLocal(below) {
			return true
		}
	}
	return false
}

// resolved is a path without links, as far as it exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// Stat implements image.Store.
func (s *Store) Stat(path string) (image.FileState, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return image.FileState{}, fault.New(fault.NotFound, "there is no file %s", path)
	case err != nil:
		return image.FileState{}, err
	}
	state := image.FileState{Bytes: info.Size(), ModifiedAt: info.ModTime(), Directory: info.IsDir()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		state.Inode = sys.Ino
	}
	return state, nil
}

// Update replaces the manifest of an image that exists, whole or not at all.
func (s *Store) Update(ctx context.Context, m image.Manifest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(m)
}

func (s *Store) update(m image.Manifest) error {
	dir := s.dirs.Image(m.ID)
	if !statedir.ValidImageID(m.ID) {
		return fault.New(fault.Invalid, "%q is not an image ID", m.ID)
	}
	if err := os.MkdirAll(string(dir), 0o700); err != nil { // of a damaged one it may be gone
		return statedir.DiskFault(err, string(dir))
	}
	if err := makeRoom(dir.Manifest(), m.ID); err != nil {
		return err
	}
	staged := dir.Manifest() + statedir.StagingSuffix
	if err := writeManifest(staged, m); err != nil {
		return errors.Join(err, os.RemoveAll(staged))
	}
	if err := os.Rename(staged, dir.Manifest()); err != nil {
		return err
	}
	s.backUp(m)
	if len(m.Layers) == 0 {
		if err := os.RemoveAll(dir.Layers()); err != nil {
			return err
		}
	}
	return statedir.SyncDir(string(dir))
}

// Remove deletes an image. Removing one that is not there is no error.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !statedir.ValidImageID(id) {
		return fault.New(fault.Invalid, "%q is not an image ID", id)
	}
	// The copy first: alone it would pass for an image that has lost its directory.
	if err := os.Remove(s.dirs.ImageCopy(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Renamed first: a crash must not leave half an image that looks whole.
	doomed := string(s.dirs.Image(id)) + ".removed" + statedir.StagingSuffix
	err := os.Rename(string(s.dirs.Image(id)), doomed)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(doomed)
}

// Sweep removes what unfinished calls left. Nothing may be staged meanwhile.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.sweepStaged(ctx); err != nil {
		return err
	}
	all, err := s.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Damaged != "" {
			continue
		}
		// An earlier build, or a crash, may have left none, or that of before.
		s.backUp(m)
		if m.External == nil {
			continue
		}
		// A Renewal that put the file in its place, but not the manifest.
		if err := os.Remove(s.dirs.Image(m.ID).Rootfs()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *Store) sweepStaged(ctx context.Context) error {
	for _, pattern := range []string{"*" + statedir.StagingSuffix, "*/*" + statedir.StagingSuffix} {
		left, err := filepath.Glob(filepath.Join(s.dirs.Images(), pattern))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			s.log.Info("removed an unfinished image", "path", path)
		}
	}
	return nil
}
