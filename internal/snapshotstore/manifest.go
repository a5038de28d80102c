package snapshotstore

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	// format numbers manifest.json and rollback.json. A newer one is refused.
	format = 1
	// maxManifest bounds them, in bytes.
	maxManifest = 64 << 10
)

// manifest is manifest.json.
type manifest struct {
	Format       int           `json:"format"`
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Note         string        `json:"note,omitempty"`
	Kind         snapshot.Kind `json:"kind"`
	Origin       string        `json:"origin"`
	CreatedAt    time.Time     `json:"created_at"`
	Live         bool          `json:"live,omitempty"`
	ImageID      string        `json:"image_id"`
	ImageDigest  string        `json:"image_digest,omitempty"`
	Kernel       string        `json:"kernel,omitempty"`
	DiskBytes    int64         `json:"disk_bytes"`
	ResetPending bool          `json:"reset_pending,omitempty"`
	Disk         file          `json:"disk"`
	Workspace    string        `json:"workspace,omitempty"`
	Work         string        `json:"work,omitempty"`
}

type file struct {
	Size       int64     `json:"size"`
	ModifiedAt time.Time `json:"modified_at"`
}

// readManifest reads one, of a VM. One that cannot be read is a damaged snapshot.
func (s *Store) readManifest(vmID, id string) snapshot.Snapshot {
	var m manifest
	err := readJSON(s.dirs.VM(vmID).Snapshot(id).Manifest(), &m)
	switch {
	case err != nil:
	case m.ID != id:
		err = errors.New("its manifest is of another snapshot")
	case m.Kind != snapshot.Disk:
		err = errors.New("it is of a kind that this build of banger does not know")
	}
	if err != nil {
		return snapshot.Snapshot{ID: id, VMID: vmID, Damaged: plain.Value(err.Error())}
	}
	return snapshot.Snapshot{
		ID: id, VMID: vmID, Name: m.Name, Note: m.Note, Kind: m.Kind, Origin: snapshot.Origin(m.Origin), CreatedAt: m.CreatedAt,
		Live: m.Live, ImageID: m.ImageID, ImageDigest: m.ImageDigest, Kernel: m.Kernel, DiskBytes: m.DiskBytes,
		ResetPending: m.ResetPending, Disk: snapshot.File(m.Disk), Workspace: m.Workspace, Work: snapshot.Work(m.Work),
	}
}

func manifestOf(s snapshot.Snapshot) manifest {
	return manifest{
		Format: format, ID: s.ID, Name: s.Name, Note: s.Note, Kind: s.Kind, Origin: string(s.Origin), CreatedAt: s.CreatedAt.UTC(),
		Live: s.Live, ImageID: s.ImageID, ImageDigest: s.ImageDigest, Kernel: s.Kernel, DiskBytes: s.DiskBytes,
		ResetPending: s.ResetPending, Disk: file(s.Disk), Workspace: s.Workspace, Work: string(s.Work),
	}
}

// readJSON reads a file of this package.
func readJSON(path string, into any) error {
	data, err := regularfile.Read(path, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "%s cannot be read", path)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fault.Wrap(fault.Internal, err, "%s is damaged", path)
	}
	if head.Format != format {
		return fault.New(fault.Unavailable, "%s has format %d, this build of banger knows %d", path, head.Format, format).
			WithHint("install the newer banger that wrote it")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fault.Wrap(fault.Internal, err, "%s is damaged", path)
	}
	return nil
}

// writeJSON stages a file, flushes it and renames it in.
func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	staged := path + statedir.StagingSuffix
	f, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return statedir.DiskFault(err, path)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err != nil {
		return statedir.DiskFault(errors.Join(err, os.Remove(staged)), path)
	}
	return nil
}
