package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// DiskFault gives an error of writing the file path its code: a full disk is
// Unavailable, a file too big for the filesystem Invalid, and one that may not
// be written PermissionDenied. A nil error and one that is a fault already are
// returned as they are.
func DiskFault(err error, path string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	dir, file := filepath.Dir(path), filepath.Base(path)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "no space left in %s while writing %s", dir, file).
			WithHint("free some space there: %s, or %s", act.ImageDelete.On(""), act.VMDelete.On(""))
	case errors.Is(err, syscall.EFBIG):
		return fault.Wrap(fault.Invalid, err, "%s is too big for the filesystem of %s", file, dir)
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.PermissionDenied, err, "cannot write %s", path)
	}
	return fmt.Errorf("write %s: %w", path, err)
}
