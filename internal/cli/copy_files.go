package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/fault"
)

// source is where a copy reads: the host's files or a guest's.
type source interface {
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.FileInfo, error)
	ReadLink(name string) (string, error)
	Open(name string) (io.ReadCloser, error)
}

// target is where a copy writes. Names in it that exist are not followed out of it.
type target interface {
	Lstat(name string) (fs.FileInfo, error)
	Mkdir(name string) error
	// Create makes a new file that only its owner can use.
	Create(name string) (io.WriteCloser, error)
	Symlink(to, name string) error
	// Rename replaces what is at to, if it is no directory.
	Rename(from, to string) error
	Remove(name string) error
	// Finish sets the mode and the time of modification.
	Finish(name string, mode fs.FileMode, modified time.Time) error
}

// pathFault gives an error about a path of either side its code.
func pathFault(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "copy")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.PermissionDenied, err, "copy")
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Conflict, err, "copy")
	default:
		return fmt.Errorf("copy: %w", err)
	}
}

// hostFiles reads this host's files as the user names them.
type hostFiles struct{}

func (hostFiles) Stat(name string) (fs.FileInfo, error)   { return os.Stat(name) }
func (hostFiles) ReadLink(name string) (string, error)    { return os.Readlink(name) }
func (hostFiles) Open(name string) (io.ReadCloser, error) { return os.Open(name) }

func (hostFiles) ReadDir(name string) ([]fs.FileInfo, error) {
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

// guestFiles are the files of a guest. What it says of them is not trusted.
type guestFiles struct{ sftp *sftp.Client }

func (g guestFiles) named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: plainSFTP(err)}
}

// plainSFTP turns the protocol's statuses into the errors that errors.Is knows.
func plainSFTP(err error) error {
	status, ok := errors.AsType[*sftp.StatusError](err)
	if !ok {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			return p.Err
		}
		return err
	}
	switch status.FxCode() {
	case sftp.ErrSSHFxNoSuchFile:
		return fs.ErrNotExist
	case sftp.ErrSSHFxPermissionDenied:
		return fs.ErrPermission
	default:
		return errors.New(reasonSFTP(status.Error()))
	}
}

// reasonSFTP is what a server said of a failure, without the protocol's own name
// of it, which tells nothing: `sftp: "write f: no space left on device" (SSH_FX_FAILURE)`.
func reasonSFTP(text string) string {
	text = strings.TrimPrefix(text, "sftp: ")
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return text
	}
	said, err := strconv.Unquote(quoted)
	if err != nil || said == "" {
		return text
	}
	if _, cause, ok := strings.Cut(said, ": "); ok && cause != "" {
		return cause
	}
	return said
}

// Stat follows links.
func (g guestFiles) Stat(name string) (fs.FileInfo, error) {
	info, err := g.sftp.Stat(name)
	return info, g.named("stat", name, err)
}

// Lstat does not follow links.
func (g guestFiles) Lstat(name string) (fs.FileInfo, error) {
	info, err := g.sftp.Lstat(name)
	return info, g.named("lstat", name, err)
}

// ReadDir refuses names that are not of one directory.
func (g guestFiles) ReadDir(name string) ([]fs.FileInfo, error) {
	infos, err := g.sftp.ReadDir(name)
	if err != nil {
		return nil, g.named("readdir", name, err)
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
func (g guestFiles) ReadLink(name string) (string, error) {
	to, err := g.sftp.ReadLink(name)
	return to, g.named("readlink", name, err)
}

// Open opens a file to read.
func (g guestFiles) Open(name string) (io.ReadCloser, error) {
	f, err := g.sftp.Open(name)
	return f, g.named("open", name, err)
}

// Mkdir makes a directory that is not there yet.
func (g guestFiles) Mkdir(name string) error { return g.named("mkdir", name, g.sftp.Mkdir(name)) }

// Create makes a new file.
func (g guestFiles) Create(name string) (io.WriteCloser, error) {
	f, err := g.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, g.named("create", name, err)
	}
	if err := f.Chmod(0o600); err != nil {
		_ = f.Close()
		return nil, g.named("chmod", name, err)
	}
	return f, nil
}

// Symlink makes a link.
func (g guestFiles) Symlink(to, name string) error {
	return g.named("symlink", name, g.sftp.Symlink(to, name))
}

// Rename replaces to.
func (g guestFiles) Rename(from, to string) error {
	return g.named("rename", to, g.sftp.PosixRename(from, to))
}

// Remove removes a file.
func (g guestFiles) Remove(name string) error { return g.named("remove", name, g.sftp.Remove(name)) }

// Finish sets mode and time.
func (g guestFiles) Finish(name string, mode fs.FileMode, modified time.Time) error {
	if err := g.sftp.Chmod(name, mode.Perm()); err != nil {
		return g.named("chmod", name, err)
	}
	return g.named("chtimes", name, g.sftp.Chtimes(name, modified, modified))
}

// rootFiles writes below one directory of this host. os.Root keeps every name
// inside it, whatever links a hostile guest had it make.
type rootFiles struct{ root *os.Root }

func (r rootFiles) Lstat(name string) (fs.FileInfo, error) { return r.root.Lstat(name) }
func (r rootFiles) Mkdir(name string) error                { return r.root.Mkdir(name, 0o700) }
func (r rootFiles) Symlink(to, name string) error          { return r.root.Symlink(to, name) }
func (r rootFiles) Rename(from, to string) error           { return r.root.Rename(from, to) }
func (r rootFiles) Remove(name string) error               { return r.root.Remove(name) }

// Create makes a new file.
func (r rootFiles) Create(name string) (io.WriteCloser, error) {
	return r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Finish sets mode and time. Bits above rwx are a guest's business only.
func (r rootFiles) Finish(name string, mode fs.FileMode, modified time.Time) error {
	if err := r.root.Chmod(name, mode.Perm()); err != nil {
		return err
	}
	return r.root.Chtimes(name, modified, modified)
}
