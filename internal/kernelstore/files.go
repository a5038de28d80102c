package kernelstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
)

// files is a kernel.Source of files at any places: an executable, an initrd, and the
// directory of the modules below modules/.
type files struct {
	open    map[string]heldFile // by their names here
	modules kernel.Source       // nil: none
	under   string              // the name of that directory here
}

// heldFile is open for as long as its source: each reader sees the same file, whatever is at
// its path by then.
type heldFile struct {
	*os.File

	info fs.FileInfo
}

// reader is one reader of a heldFile.
type reader struct {
	*io.SectionReader

	info fs.FileInfo
}

func (r reader) Stat() (fs.FileInfo, error) { return r.info, nil }
func (reader) Close() error                 { return nil }

// OpenFiles opens a kernel of the host whose parts are at the given absolute paths, of
// which initrd and modules may be empty, and says how they are called in it.
func OpenFiles(executable, initrd, modules string) (_ kernel.Source, m kernel.Metadata, err error) {
	f := &files{open: map[string]heldFile{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if m.Kernel, err = f.hold("kernel", executable); err != nil {
		return nil, m, err
	}
	if m.Initrd, err = f.hold("initrd", initrd); err != nil || modules == "" {
		return f, m, err
	}
	if f.modules, err = OpenSource(filepath.Clean(modules)); err != nil {
		return nil, m, err
	}
	f.under = path.Join("modules", filepath.Base(modules))
	m.Modules = f.under
	return f, m, nil
}

// hold opens the file at path, which may be empty, and returns its name here.
func (f *files) hold(name, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	file, info, err := regularfile.Open(path)
	if err != nil {
		return "", err
	}
	f.open[name] = heldFile{file, info}
	return name, nil
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
	if held, ok := f.open[name]; ok {
		return reader{io.NewSectionReader(held, 0, held.info.Size()), held.info}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Stat is here for the same reason as that of source.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	if inner, ok := f.inModules(name); ok {
		return fs.Stat(f.modules, inner)
	}
	if held, ok := f.open[name]; ok {
		return held.info, nil
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
	var errs []error
	for _, held := range f.open {
		errs = append(errs, held.Close())
	}
	if f.modules != nil {
		errs = append(errs, f.modules.Close())
	}
	return errors.Join(errs...)
}
