// Package regular opens files of the guest that the agent must read. The image
// and the guest's users made them: a name may lead to a pipe, a device or
// anything else, and may be of any size.
package regular

import (
	"errors"
	"fmt"
	"io"
	"os"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// ErrNotRegular says that a name leads to something that is not a regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge says that a file is larger than its reader allows.
var ErrTooLarge = errors.New("the file is too large")

// Open opens a file for reading, following links. Anything but a regular file is
// ErrNotRegular; it is not waited for, and a device is not opened. The caller
// closes the file.
func Open(path string) (*os.File, error) { return open(path, 0) }

// OpenIn is Open for a path below root, where links are resolved.
func OpenIn(root, path string) (*os.File, error) {
	target, err := securejoin.SecureJoin(root, path)
	if err != nil {
		return nil, err
	}
	return open(target, unix.O_NOFOLLOW)
}

func open(path string, flags int) (*os.File, error) {
	stat := os.Stat
	if flags&unix.O_NOFOLLOW != 0 {
		stat = os.Lstat
	}
	info, err := stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns what is in a file, links followed. One of more than limit bytes is
// ErrTooLarge.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// ReadIn is Read for a path below root, where links are resolved.
func ReadIn(root, path string, limit int64) ([]byte, error) {
	f, err := OpenIn(root, path)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

func readAll(f *os.File, limit int64) ([]byte, error) {
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w: over %d bytes", f.Name(), ErrTooLarge, limit)
	}
	return data, nil
}
