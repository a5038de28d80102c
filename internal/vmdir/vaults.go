package vmdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/workspace"
)

// Vaults implements workspace.Vaults in the directories of VMs, which exist.
type Vaults struct{ dirs statedir.Dirs }

var _ workspace.Vaults = (*Vaults)(nil)

// NewVaults returns the vaults of dirs.
func NewVaults(dirs statedir.Dirs) *Vaults { return &Vaults{dirs: dirs} }

// Vault implements workspace.Vaults.
func (s *Vaults) Vault(vmID, name string) (string, error) {
	vm := s.dirs.VM(vmID)
	if err := os.MkdirAll(vm.Workspaces(), 0o700); err != nil {
		return "", statedir.DiskFault(err, vm.Workspaces())
	}
	return vm.Vault(name), nil
}

// Keep implements workspace.Vaults.
func (s *Vaults) Keep(vmID, name string) error {
	vm := s.dirs.VM(vmID)
	entries, err := os.ReadDir(vm.Workspaces())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if path := filepath.Join(vm.Workspaces(), e.Name()); path != vm.Vault(name) {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// Export implements workspace.Vaults.
func (s *Vaults) Export(vmID, id string) (string, error) {
	vm := s.dirs.VM(vmID)
	if err := os.RemoveAll(vm.Exports()); err != nil {
		return "", err
	}
	if err := os.Mkdir(vm.Exports(), 0o700); err != nil {
		return "", statedir.DiskFault(err, vm.Exports())
	}
	return vm.Export(id), nil
}

// OpenExport implements workspace.Vaults.
func (s *Vaults) OpenExport(vmID, id string) (io.ReadCloser, int64, error) {
	if filepath.Base(id) != id || id == "." || id == ".." {
		return nil, 0, fault.New(fault.Invalid, "%q is not an export", id)
	}
	file, err := os.Open(s.dirs.VM(vmID).Export(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fault.New(fault.NotFound, "export %s no longer exists", id).WithHint("make a new one: %s", act.WorkspaceExport.On(vmID))
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}
