// Package snapshotstore keeps snapshots as directories below those of their VMs.
package snapshotstore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/diskclone"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/statedir"
)

// Store implements snapshot.Store in dirs.
type Store struct{ dirs statedir.Dirs }

var _ snapshot.Store = (*Store)(nil)

// New returns the snapshots of dirs.
func New(dirs statedir.Dirs) *Store { return &Store{dirs: dirs} }

// List implements snapshot.Store.
func (s *Store) List(ctx context.Context, vmID string) ([]snapshot.Snapshot, error) {
	known, err := s.known(vmID)
	if err != nil {
		return nil, err
	}
	all := make([]snapshot.Snapshot, 0, len(known))
	for _, id := range known {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one := s.readManifest(vmID, id)
		if one.Damaged == "" {
			if err := s.Check(one); err != nil {
				one.Damaged = err.Error()
			}
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b snapshot.Snapshot) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// known are the IDs of those of a VM.
func (s *Store) known(vmID string) ([]string, error) {
	entries, err := os.ReadDir(s.dirs.VM(vmID).Snapshots())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() && ids.Like(e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// Check implements snapshot.Store.
func (s *Store) Check(one snapshot.Snapshot) error {
	path := s.dirs.VM(one.VMID).Snapshot(one.ID).Disk()
	is, err := stat(path)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the disk of snapshot %s cannot be read", one.Label())
	}
	if is.Size != one.Disk.Size || !is.ModifiedAt.Equal(one.Disk.ModifiedAt) {
		return fault.New(fault.Internal, "the disk of snapshot %s has changed since it was taken", one.Label()).
			WithHint("use another snapshot; %s was written to by another program", path)
	}
	return nil
}

func stat(path string) (snapshot.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return snapshot.File{}, err
	}
	if !info.Mode().IsRegular() {
		return snapshot.File{}, fault.New(fault.Invalid, "%s is not a regular file", path)
	}
	return snapshot.File{Size: info.Size(), ModifiedAt: info.ModTime().UTC()}, nil
}

// Add implements snapshot.Store.
func (s *Store) Add(ctx context.Context, one snapshot.Snapshot, also snapshot.Also, p operation.Progress) (snapshot.Snapshot, error) {
	return s.add(one, also, func(dst string) error {
		return clone(ctx, s.dirs.VM(one.VMID).Disk(), dst, p)
	})
}

// add stages a snapshot whose disk is made by disk, and renames it in.
func (s *Store) add(one snapshot.Snapshot, also snapshot.Also, disk func(dst string) error) (snapshot.Snapshot, error) {
	vm := s.dirs.VM(one.VMID)
	dir := vm.Snapshot(one.ID)
	staged := dir.Staged()
	if err := os.MkdirAll(string(staged), 0o700); err != nil {
		return one, statedir.DiskFault(err, string(dir))
	}
	err := disk(staged.Disk())
	if err == nil && also != nil {
		err = also(staged.Workspace(), &one)
	}
	if err == nil {
		one.Disk, err = stat(staged.Disk())
	}
	if err == nil {
		err = writeJSON(staged.Manifest(), manifestOf(one))
	}
	if err == nil {
		err = errors.Join(statedir.SyncDir(string(staged)), os.Rename(string(staged), string(dir)), statedir.SyncDir(vm.Snapshots()))
	}
	if err != nil {
		return one, errors.Join(statedir.DiskFault(err, string(dir)), os.RemoveAll(string(staged)))
	}
	return one, nil
}

// clone copies a disk for good, and says how far it is.
func clone(ctx context.Context, src, dst string, p operation.Progress) error {
	err := diskclone.Clone(ctx, src, dst, diskclone.Options{Told: func(done, total int64) {
		if done == 0 {
			p.Detail("the filesystem cannot share the disk: copying %d MiB", total>>20)
		}
		p.Count(done, total, "bytes")
	}})
	if err == nil {
		err = syncFile(dst)
	}
	return statedir.DiskFault(err, dst)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Remove implements snapshot.Store. What a crash leaves of it is staged.
func (s *Store) Remove(_ context.Context, vmID, id string) error {
	dir := s.dirs.VM(vmID).Snapshot(id)
	err := os.Rename(string(dir), string(dir.Staged()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(string(dir.Staged()))
}

// Disk implements snapshot.Store.
func (s *Store) Disk(vmID, id string) string { return s.dirs.VM(vmID).Snapshot(id).Disk() }

// Workspace implements snapshot.Store.
func (s *Store) Workspace(vmID, id string) string { return s.dirs.VM(vmID).Snapshot(id).Workspace() }

// Clone implements snapshot.Store.
func (s *Store) Clone(ctx context.Context, vmID, id, toVM string, p operation.Progress) error {
	src, to := s.dirs.VM(vmID).Disk(), s.dirs.VM(toVM)
	if id != "" {
		src = s.dirs.VM(vmID).Snapshot(id).Disk()
	}
	if err := os.MkdirAll(string(to), 0o700); err != nil {
		return statedir.DiskFault(err, string(to))
	}
	if err := os.RemoveAll(to.DiskStaged()); err != nil {
		return err
	}
	if err := clone(ctx, src, to.DiskStaged(), p); err != nil {
		return err
	}
	return os.Rename(to.DiskStaged(), to.Disk())
}
