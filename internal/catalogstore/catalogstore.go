// Package catalogstore keeps the last good copy of each catalog that the user
// added. It is state, not a cache: a version that was seen must not be forgotten.
package catalogstore

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// maxCopy bounds a copy, in bytes: its data are base64 in it.
const maxCopy = 2 * (catalog.MaxBytes + catalog.MaxSignatureBytes)

// Store is a catalog.Store. It is safe for concurrent use of different ids.
type Store struct {
	dirs statedir.Dirs
	log  *slog.Logger
}

// New returns the Store of the directories. It makes nothing.
func New(dirs statedir.Dirs, log *slog.Logger) *Store { return &Store{dirs: dirs, log: log} }

// Get returns the copy with this id. One that cannot be read is logged, and
// counts as none.
func (s *Store) Get(ctx context.Context, id string) (catalog.Copy, bool) {
	path := s.dirs.Catalog(id)
	data, err := regularfile.Read(path, maxCopy)
	if errors.Is(err, os.ErrNotExist) {
		return catalog.Copy{}, false
	}
	var c catalog.Copy
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		s.log.WarnContext(ctx, "cannot read a catalog's copy", "path", path, "error", err)
		return catalog.Copy{}, false
	}
	return c, true
}

// Put replaces the copy with this id, whole or not at all.
func (s *Store) Put(_ context.Context, id string, c catalog.Copy) (err error) {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	path := s.dirs.Catalog(id)
	if err := os.MkdirAll(s.dirs.Catalogs(), 0o700); err != nil {
		return statedir.DiskFault(err, path)
	}
	defer func() { err = statedir.DiskFault(err, path) }()
	staged := path + statedir.StagingSuffix
	f, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return os.Rename(staged, path)
}
