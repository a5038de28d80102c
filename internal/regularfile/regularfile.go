// Package regularfile opens files that the user named, whatever is at their paths.
package regularfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// Open opens the regular file at path to read it, and returns what it is: of the open file,
// so that nothing else can take its place in between. It follows links, and waits for no
// other end of a pipe. NotFound (fs.ErrNotExist too), PermissionDenied (fs.ErrPermission
// too); a directory, device, socket or pipe is Invalid. The caller closes the file.
func Open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &missing{fault.New(fault.NotFound, "no such file: %s", path), err}
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

// Read returns what is in the regular file at path, with the errors of Open. More than most
// bytes is Invalid.
func Read(path string, most int64) ([]byte, error) {
	f, _, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fault.New(fault.Invalid, "%s is larger than %s", path, fault.Bytes(most))
	}
	return data, err
}

// missing is a fault for people, and the system's error for programs.
type missing struct {
	fault  *fault.Error
	system error
}

func (m *missing) Error() string   { return m.fault.Error() }
func (m *missing) Unwrap() []error { return []error{m.fault, m.system} }

func notRegular(path string) error {
	return fault.New(fault.Invalid, "%s is not a regular file", path)
}
