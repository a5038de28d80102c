package kernelstore

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
)

// files is a kernel.Source of files at any places: an executable, an initrd, and the
// directory of the modules below modules/.
type files struct {
	paths   map[string]string // of regular files, by their names here
	modules kernel.Source     // nil: none
	under   string            // the name of that directory here
}

// OpenFiles opens a kernel of the host whose parts are at the given absolute paths, of
// which initrd and modules may be empty, and says how they are called in it.
func OpenFiles(executable, initrd, modules string) (kernel.Source, kernel.Metadata, error) {
	f := &files{paths: map[string]string{"kernel": executable}}
	m := kernel.Metadata{Kernel: "kernel"}
	if initrd != "" {
		f.paths["initrd"], m.Initrd = initrd, "initrd"
	}
	for _, path := range f.paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, m, fault.New(fault.NotFound, "there is no file %s", path)
		case err != nil:
			return nil, m, err
		case !info.Mode().IsRegular():
			return nil, m, fault.New(fault.Invalid, "%s is not a regular file", path)
		}
	}
	if modules == "" {
		return f, m, nil
	}
	source, err := OpenSource(filepath.Clean(modules))
	if err != nil {
		return nil, m, err
	}
	f.modules, f.under = source, path.Join("modules", filepath.Base(modules))
	m.Modules = f.under
	return f, m, nil
}

// inModules returns the name below the modules' directory.
func (f *files) inModules(name string) (string, bool) {
	if f.modules == nil {
		return "", false
	}
	if name == f.under {
		return ".", true
	}
	return strings.CutPrefix(name, f.under+"/")
}

func (f *files) Open(name string) (fs.File, error) {
	if inner, ok := f.inModules(name); ok {
		return f.modules.Open(inner)
	}
	if path, ok := f.paths[name]; ok {
		return os.Open(path)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Stat is here for the same reason as that of source.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	if inner, ok := f.inModules(name); ok {
		return fs.Stat(f.modules, inner)
	}
	if path, ok := f.paths[name]; ok {
		return os.Stat(path)
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (f *files) ReadDir(name string) ([]fs.DirEntry, error) {
	if inner, ok := f.inModules(name); ok {
		return fs.ReadDir(f.modules, inner)
	}
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
}

func (f *files) Close() error {
	if f.modules == nil {
		return nil
	}
	return f.modules.Close()
}
