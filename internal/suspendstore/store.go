// Package suspendstore keeps the machines of suspended VMs in their directories: written whole or not
// at all, and gone on from once.
package suspendstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// Store finds the suspended machines of VMs, for vm.Suspensions.
type Store struct{ dirs statedir.Dirs }

// New makes a Store.
func New(dirs statedir.Dirs) *Store { return &Store{dirs: dirs} }

// Find implements vm.Suspensions.
func (s *Store) Find(_ context.Context, vmID string) (vm.Suspension, error) {
	return read(s.dirs.VM(vmID).Suspended())
}

// Discard implements vm.Suspensions.
func (s *Store) Discard(ctx context.Context, vmID string) error {
	dir := s.dirs.VM(vmID)
	return errors.Join(
		Claim(dir),
		statedir.RemoveStaged(ctx, string(dir.Suspended().Gone())),
		statedir.RemoveStaged(ctx, string(dir.Suspended().Staged())),
	)
}

// Claim makes sure that nobody goes on from the suspended machine in dir any more, even if the host
// crashes. None there is no error. What Open returned can still be read; Sweep removes the files.
func Claim(dir statedir.VM) error {
	from := dir.Suspended()
	if err := os.RemoveAll(string(from.Gone())); err != nil {
		return fmt.Errorf("remove a suspended machine: %w", err)
	}
	err := os.Rename(string(from), string(from.Gone()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = statedir.SyncDir(string(dir))
	}
	if err != nil {
		return fmt.Errorf("claim the suspended machine: %w", err)
	}
	return nil
}

// Sweep removes the files of a machine that was claimed.
func Sweep(ctx context.Context, dir statedir.VM) error {
	return statedir.RemoveStaged(ctx, string(dir.Suspended().Gone()))
}
