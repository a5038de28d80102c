package kernelstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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

// Stat and ReadDir are here because fs.Stat would else open the file, and wait
// for a writer when it is a fifo; Lstat and ReadLink because fs.Lstat would else
// follow links.

func (s *source) Open(name string) (fs.File, error)          { return s.fsys.Open(name) }
func (s *source) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(s.fsys, name) }
func (s *source) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(s.fsys, name) }
func (s *source) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(s.fsys, name) }
func (s *source) ReadLink(name string) (string, error)       { return fs.ReadLink(s.fsys, name) }
func (s *source) Close() error                               { return s.root.Close() }
