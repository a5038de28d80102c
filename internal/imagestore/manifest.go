package imagestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// List returns all images, in no order, also those whose files are gone. Those whose
// manifests cannot be read are Damaged, and so are those of a newer format.
func (s *Store) List(ctx context.Context) ([]image.Manifest, error) {
	entries, err := os.ReadDir(s.dirs.Images())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []image.Manifest
	for _, id := range statedir.ImageIDs(entries) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := image.Recovered(id, reading(s.dirs.Image(id).Manifest()), reading(s.dirs.ImageCopy(id)))
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(string(s.dirs.Image(id))); err != nil { // removed meanwhile
				continue
			}
			m, err = image.Lost(id), nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// reading reads a manifest.
func reading(path string) func() ([]byte, error) {
	return func() ([]byte, error) {
		return regularfile.Read(path, image.MaxManifestBytes)
	}
}

// backUp stores the copy of a manifest that was stored, if it has changed. The caller
// syncs the directory. The image is whole without, so that what goes wrong is only logged.
func (s *Store) backUp(m image.Manifest) {
	if err := s.copyManifest(m); err != nil {
		s.log.Warn("cannot copy an image's manifest", "id", m.ID, "error", err)
	}
}

func (s *Store) copyManifest(m image.Manifest) error {
	path := s.dirs.ImageCopy(m.ID)
	data, err := encoded(m)
	if err != nil {
		return err
	}
	if had, err := reading(path)(); err == nil && bytes.Equal(had, data) {
		return nil
	}
	staged := path + statedir.StagingSuffix
	if err := write(staged, data); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return os.Rename(staged, path)
}

func writeManifest(path string, m image.Manifest) error {
	data, err := encoded(m)
	if err != nil {
		return err
	}
	return write(path, data)
}

func encoded(m image.Manifest) ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	if len(data) >= image.MaxManifestBytes {
		return nil, fault.New(fault.Invalid, "the image's manifest has %s; at most %s can be read again",
			fault.Bytes(int64(len(data))), fault.Bytes(image.MaxManifestBytes))
	}
	return append(data, '\n'), nil
}

func write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return statedir.DiskFault(err, path)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return statedir.DiskFault(errors.Join(err, f.Close()), path)
}
