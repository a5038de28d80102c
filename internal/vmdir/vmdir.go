// Package vmdir keeps each VM's directory: its disk, and its identity.
package vmdir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// DiskMaker makes the files that hold disks.
type DiskMaker interface {
	// Create makes the disk at path, which does not exist, of this many bytes.
	Create(ctx context.Context, path string, bytes int64) error
	// Grow makes the disk at path larger.
	Grow(ctx context.Context, path string, bytes int64) error
}

// VMs implements vm.Disks and vm.Identities on the directories below
// statedir.Dirs.VMs, which exists.
type VMs struct {
	dirs  statedir.Dirs
	maker DiskMaker
}

var (
	_ vm.Disks      = (*VMs)(nil)
	_ vm.Identities = (*VMs)(nil)
)

// New returns the VMs of dirs.
func New(dirs statedir.Dirs, maker DiskMaker) *VMs { return &VMs{dirs: dirs, maker: maker} }

// Create implements vm.Disks.
func (s *VMs) Create(ctx context.Context, vmID string, bytes int64) error {
	dir := s.dirs.VM(vmID)
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		return statedir.DiskFault(err, string(dir))
	}
	info, err := os.Stat(dir.Disk())
	if err == nil && info.Size() == bytes {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	staged := dir.Disk() + statedir.StagingSuffix
	if err := os.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.maker.Create(ctx, staged, bytes); err != nil {
		return err
	}
	return os.Rename(staged, dir.Disk())
}

// Grow implements vm.Disks.
func (s *VMs) Grow(ctx context.Context, vmID string, bytes int64) error {
	return s.maker.Grow(ctx, s.Path(vmID), bytes)
}

// Path implements vm.Disks.
func (s *VMs) Path(vmID string) string { return s.dirs.VM(vmID).Disk() }

// Remove implements vm.Disks.
func (s *VMs) Remove(_ context.Context, vmID string) error {
	return os.RemoveAll(string(s.dirs.VM(vmID)))
}

// Sweep implements vm.Disks. In the directory of a VM it removes only what
// bangerd itself stages: the VM's monitor may live, and be at work there.
func (s *VMs) Sweep(ctx context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.dirs.VMs())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if strings.HasSuffix(entry.Name(), statedir.StagingSuffix) {
			if err := statedir.RemoveStaged(ctx, filepath.Join(s.dirs.VMs(), entry.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if !entry.IsDir() {
			continue
		}
		ids = append(ids, entry.Name())
		dir := s.dirs.VM(entry.Name())
		for _, staged := range []string{filepath.Join(dir.Workspaces(), "*"), string(dir.Kernel()) + ".*", filepath.Join(dir.Snapshots(), "*")} {
			if err := removeStaged(ctx, staged+statedir.StagingSuffix); err != nil {
				return nil, err
			}
		}
		for _, file := range []string{dir.Disk(), dir.Identity(), dir.Rollback()} {
			if err := os.Remove(file + statedir.StagingSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return ids, nil
}

// removeStaged removes all that matches a pattern.
func removeStaged(ctx context.Context, pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := statedir.RemoveStaged(ctx, path); err != nil {
			return err
		}
	}
	return nil
}
