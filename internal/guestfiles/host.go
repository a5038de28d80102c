package guestfiles

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// host reads this host's files as the user names them.
type host struct{}

func (host) Stat(name string) (fs.FileInfo, error)   { return os.Stat(name) }
func (host) ReadLink(name string) (string, error)    { return os.Readlink(name) }
func (host) Open(name string) (io.ReadCloser, error) { return os.Open(name) }

func (host) ReadDir(name string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// below writes below one directory of this host. os.Root keeps every name
// inside it, whatever links a hostile guest had it make.
type below struct{ root *os.Root }

func (r below) Lstat(name string) (fs.FileInfo, error) { return r.root.Lstat(name) }
func (r below) Mkdir(name string) error                { return r.root.Mkdir(name, 0o700) }
func (r below) Symlink(to, name string) error          { return r.root.Symlink(to, name) }
func (r below) Rename(from, to string) error           { return r.root.Rename(from, to) }
func (r below) Remove(name string) error               { return r.root.Remove(name) }

// Create makes a new file.
func (r below) Create(name string) (io.WriteCloser, error) {
	return r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Finish sets mode and time. Bits above rwx are a guest's business only.
func (r below) Finish(name string, mode fs.FileMode, modified time.Time) error {
	if err := r.root.Chmod(name, mode.Perm()); err != nil {
		return err
	}
	return r.root.Chtimes(name, modified, modified)
}
