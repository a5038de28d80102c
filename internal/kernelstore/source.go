package kernelstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
)

// source is a kernel.Source on a directory: links that lead out of it lead
// nowhere.
type source struct {
	root *os.Root
	fsys fs.FS
}

// OpenSource opens a directory of the host that holds a kernel. dir must be
// absolute, since the daemon's working directory is nobody's business.
func OpenSource(dir string) (kernel.Source, error) {
	if !filepath.IsAbs(dir) {
		return nil, fault.New(fault.Invalid, "%s is not an absolute path", dir)
	}
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "no such directory: %s", dir)
	case err != nil && isFile(dir):
		return nil, fault.New(fault.Invalid, "%s is not a directory", dir).
			WithHint("unpack it first: dpkg-deb -x PACKAGE.deb DIR")
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.Wrap(fault.PermissionDenied, err, "%s", dir)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return &source{root: root, fsys: root.FS()}, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Open opens files and directories. Anything else is refused: a pipe may have no writer.
func (s *source) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fault.New(fault.Invalid, "%s is not a regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Stat and ReadDir are here because fs.Stat would else open the file, and wait
// for a writer when it is a fifo; Lstat and ReadLink because fs.Lstat would else
// follow links.

func (s *source) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(s.fsys, name) }
func (s *source) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(s.fsys, name) }
func (s *source) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(s.fsys, name) }
func (s *source) ReadLink(name string) (string, error)       { return fs.ReadLink(s.fsys, name) }
func (s *source) Close() error                               { return s.root.Close() }
