package treecopy

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Target is where a tree is written: into a directory, or as one name in it.
type Target struct {
	dir  string // for messages
	fd   int
	name string // of what is written; empty: tops keep their names
}

// Land finds where to write: into dst when it is a directory, else as dst. Only
// one source can become dst itself. The caller closes the Target. The error is a
// Refusal when dst cannot be one.
func Land(dst string, sources int) (*Target, error) {
	clean := filepath.Clean(dst)
	info, err := os.Stat(clean)
	slash := strings.HasSuffix(dst, "/")
	switch {
	case err == nil && info.IsDir():
		return open(clean, "")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err == nil && (slash || sources > 1):
		return nil, refuse(CodeInvalid, "%s is not a directory", dst)
	case slash || sources > 1:
		return nil, refuse(CodeNotFound, "the directory %s does not exist", dst)
	}
	name := path.Base(clean)
	t, err := open(filepath.Dir(clean), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Refusal{Code: CodeNotFound, Message: "cannot create " + clean + ": no such directory", NoDirectory: true}
	}
	return t, err
}

func open(dir, name string) (*Target, error) {
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, failure("open", dir, err)
	}
	return &Target{dir: dir, fd: fd, name: name}, nil
}

// Close frees what Land opened.
func (t *Target) Close() { _ = unix.Close(t.fd) }

// shown is how a path below the target is told.
func (t *Target) shown(p string) string { return filepath.Join(t.dir, p) }
