// Package regularfile opens files that the user named, whatever is at their paths.
package regularfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// Open opens the regular file at path to read it, and returns what it is: of the open file,
// so that nothing else can take its place in between. It follows links, and waits for no
// other end of a pipe. NotFound, PermissionDenied; a directory, device, socket or pipe is
// Invalid. The caller closes the file.
func Open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fault.New(fault.NotFound, "no such file: %s", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fault.Wrap(fault.PermissionDenied, err, "cannot read %s", path)
	case errors.Is(err, syscall.ENXIO): // a socket
		return nil, nil, notRegular(path)
	case err != nil:
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func notRegular(path string) error {
	return fault.New(fault.Invalid, "%s is not a regular file", path)
}
