package mcp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/wholefile"
)

// absent says that nothing is at a path of the host, and that a file can be.
func absent(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return exists(name)
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		return fault.New(fault.NotFound, "%s is not a directory on the host", filepath.Dir(name))
	}
	return nil
}

func exists(name string) error {
	return fault.New(fault.Conflict, "%s already exists on the host", name).WithHint("choose another output_path")
}

// writeNew makes a file of the host that only the user can read. It is there
// whole or not at all, and takes the place of nothing.
func writeNew(name string, r io.Reader) error {
	err := wholefile.Create(name, r, 0o600)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return exists(name)
	default:
		return hostFault(name, err)
	}
}

func hostFault(name string, err error) error {
	code := fault.Unavailable
	if errors.Is(err, fs.ErrPermission) {
		code = fault.PermissionDenied
	}
	return fault.Wrap(code, err, "cannot write %s", name)
}
