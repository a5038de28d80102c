// Package kernelstore keeps kernels as directories: see statedir.Kernel.
package kernelstore

import (
	"log/slog"

	"github.com/bangervm/banger/internal/statedir"
)

// Store is a kernel.Store.
type Store struct {
	dirs statedir.Dirs
	log  *slog.Logger
}

// New makes a Store on the kernels' directory, which must exist.
func New(dirs statedir.Dirs, log *slog.Logger) *Store { return &Store{dirs: dirs, log: log} }
