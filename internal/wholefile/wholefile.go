// Package wholefile writes files that appear when they are complete, or not at all.
// What an interrupted process leaves is a hidden file beside the path.
package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const stagedPrefix = ".banger-"

// Replace writes all of r to path, in place of a file that is there. mode is the
// file's whatever the umask. Errors are those of r and of package os, about path.
func Replace(path string, r io.Reader, mode fs.FileMode) error {
	return write(path, r, mode, os.Rename)
}

// Create is Replace where nothing may be at path yet: else the error is fs.ErrExist.
func Create(path string, r io.Reader, mode fs.FileMode) error {
	return write(path, r, mode, os.Link)
}

// write stages the file and has place give it its name.
func write(path string, r io.Reader, mode fs.FileMode, place func(from, to string) error) (err error) {
	defer func() { err = about(path, err) }()
	staged, err := os.CreateTemp(filepath.Dir(path), stagedPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(staged.Name()) }()
	if _, err = io.Copy(staged, r); err == nil {
		err = errors.Join(staged.Chmod(mode), staged.Sync())
	}
	if err = errors.Join(err, staged.Close()); err != nil {
		return err
	}
	return place(staged.Name(), path)
}

// about has an error about the staged file tell of path, which somebody has typed.
func about(path string, err error) error {
	if own, ok := errors.AsType[*fs.PathError](err); ok && strings.HasPrefix(filepath.Base(own.Path), stagedPrefix) {
		return &fs.PathError{Op: own.Op, Path: path, Err: own.Err}
	}
	if own, ok := errors.AsType[*os.LinkError](err); ok && strings.HasPrefix(filepath.Base(own.Old), stagedPrefix) {
		return &fs.PathError{Op: own.Op, Path: path, Err: own.Err}
	}
	return err
}
