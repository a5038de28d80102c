package guestfiles

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/fault"
)

// remote are the files of a guest. What it says of them is not trusted.
type remote struct{ sftp *sftp.Client }

// Stat follows links.
func (r remote) Stat(name string) (fs.FileInfo, error) {
	info, err := r.sftp.Stat(name)
	return info, pathError("stat", name, err)
}

// Lstat does not follow links.
func (r remote) Lstat(name string) (fs.FileInfo, error) {
	info, err := r.sftp.Lstat(name)
	return info, pathError("lstat", name, err)
}

// ReadDir refuses names that are not of one directory.
func (r remote) ReadDir(name string) ([]fs.FileInfo, error) {
	infos, err := r.sftp.ReadDir(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	kept := infos[:0]
	for _, info := range infos {
		switch entry := info.Name(); {
		case entry == "." || entry == "..":
		case entry == "" || strings.ContainsAny(entry, "/\x00"):
			return nil, fault.New(fault.Invalid, "the guest names a file %q in %s", entry, name)
		default:
			kept = append(kept, info)
		}
	}
	return kept, nil
}

// ReadLink returns what the link says.
func (r remote) ReadLink(name string) (string, error) {
	to, err := r.sftp.ReadLink(name)
	return to, pathError("readlink", name, err)
}

// Open opens a file to read.
func (r remote) Open(name string) (io.ReadCloser, error) {
	f, err := r.sftp.Open(name)
	return f, pathError("open", name, err)
}

// Mkdir makes a directory that is not there yet.
func (r remote) Mkdir(name string) error { return pathError("mkdir", name, r.sftp.Mkdir(name)) }

// Create makes a new file.
func (r remote) Create(name string) (io.WriteCloser, error) {
	f, err := r.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, pathError("create", name, err)
	}
	if err := f.Chmod(0o600); err != nil {
		_ = f.Close()
		return nil, pathError("chmod", name, err)
	}
	return f, nil
}

// Symlink makes a link.
func (r remote) Symlink(to, name string) error {
	return pathError("symlink", name, r.sftp.Symlink(to, name))
}

// Rename replaces to.
func (r remote) Rename(from, to string) error {
	return pathError("rename", to, r.sftp.PosixRename(from, to))
}

// Remove removes a file.
func (r remote) Remove(name string) error { return pathError("remove", name, r.sftp.Remove(name)) }

// Finish sets mode and time.
func (r remote) Finish(name string, mode fs.FileMode, modified time.Time) error {
	if err := r.sftp.Chmod(name, mode.Perm()); err != nil {
		return pathError("chmod", name, err)
	}
	return pathError("chtimes", name, r.sftp.Chtimes(name, modified, modified))
}
