package guestfiles

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// writeTime bounds how long a guest may take to store one file.
	writeTime = 2 * time.Minute
	// maxLinks bounds the symbolic links that are followed to a file, as Linux does.
	maxLinks = 40
)

// Info is what a guest says of a regular file.
type Info struct {
	Size     int64 // bytes
	Mode     fs.FileMode
	Modified time.Time
}

// Write is a file to put into a guest.
type Write struct {
	Path string // absolute
	Data []byte
	// Mode of the file; nil: as it was, or 0644 for a new one.
	Mode *fs.FileMode
	// Parents makes the directories that are missing above it.
	Parents bool
}

// Files reads and writes single files of VMs, each over a connection made for
// it. It is safe for concurrent use.
type Files struct{ Client *client.Client }

// ReadFile returns up to limit bytes from offset on, fewer only at the file's
// end. The path is absolute. What is not a regular file is Invalid.
func (f Files) ReadFile(ctx context.Context, vm, name string, offset int64, limit int) ([]byte, Info, error) {
	g, err := dial(ctx, f.Client, vm)
	if err != nil {
		return nil, Info{}, err
	}
	defer g.Close()
	data, info, err := g.files.read(name, offset, limit)
	if err != nil && ctx.Err() != nil {
		return nil, Info{}, ctx.Err()
	}
	return data, info, err
}

func (r remote) read(name string, offset int64, limit int) ([]byte, Info, error) {
	// Before it is opened, since to open a pipe is to wait.
	stat, err := r.Stat(name)
	if err != nil {
		return nil, Info{}, fileFault(name, err)
	}
	if err := regular(name, stat); err != nil {
		return nil, Info{}, err
	}
	f, err := r.sftp.Open(name)
	if err != nil {
		return nil, Info{}, fileFault(name, err)
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, limit)
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, Info{}, fileFault(name, err)
	}
	return data[:n], Info{Size: stat.Size(), Mode: stat.Mode(), Modified: stat.ModTime()}, nil
}

func regular(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fault.New(fault.Invalid, "%s is a directory", name).WithHint("list it in the VM: ls -la")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is not a regular file (%s)", name, info.Mode().Type())
	default:
		return nil
	}
}

// WriteFile puts a file there whole, in the place of what is there, or changes
// nothing. Symbolic links to a file are followed, and a file that is replaced
// keeps its owner. It reports whether the file is new. When ctx ends, it
// returns once what it staged is removed, two minutes later at most.
func (f Files) WriteFile(ctx context.Context, vm string, w Write) (created bool, err error) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	dialing, stop := context.WithCancel(bounded)
	defer stop()
	giveUp := context.AfterFunc(ctx, stop)
	g, err := dial(dialing, f.Client, vm)
	if !giveUp() || err != nil {
		if err == nil {
			g.Close()
		}
		return false, errors.Join(ctx.Err(), err)
	}
	defer g.Close()
	return g.files.write(ctx, w)
}

func (r remote) write(ctx context.Context, w Write) (created bool, err error) {
	name, old, err := r.destination(w.Path)
	if err != nil {
		return false, err
	}
	if w.Parents {
		if err := r.sftp.MkdirAll(path.Dir(name)); err != nil {
			return false, fileFault(path.Dir(name), err)
		}
	}
	mode := fs.FileMode(0o644)
	if old != nil {
		mode = old.Mode().Perm()
	}
	if w.Mode != nil {
		mode = *w.Mode
	}
	c := &copier{ctx: ctx, to: r, meter: newMeter(nil)}
	err = c.replace(name, bytes.NewReader(w.Data), func(staged string) error {
		if owner, ok := ownerOf(old); ok {
			if err := r.sftp.Chown(staged, int(owner.UID), int(owner.GID)); err != nil {
				return pathError("chown", name, err)
			}
		}
		return pathError("chmod", name, r.sftp.Chmod(staged, mode))
	})
	if err != nil {
		return false, fileFault(w.Path, err)
	}
	return old == nil, nil
}

func ownerOf(info fs.FileInfo) (*sftp.FileStat, bool) {
	if info == nil {
		return nil, false
	}
	stat, ok := info.Sys().(*sftp.FileStat)
	return stat, ok
}

// destination follows symbolic links to the file that is meant, which need not
// be there: old is nil then.
func (r remote) destination(name string) (resolved string, old fs.FileInfo, err error) {
	resolved = path.Clean(name)
	for range maxLinks {
		info, err := r.Lstat(resolved)
		if errors.Is(err, fs.ErrNotExist) {
			return resolved, nil, nil
		}
		if err != nil {
			return "", nil, fileFault(name, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return resolved, info, regular(name, info)
		}
		to, err := r.ReadLink(resolved)
		if err != nil {
			return "", nil, fileFault(name, err)
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(resolved), to)
		}
		resolved = to
	}
	return "", nil, fault.New(fault.Invalid, "%s: more than %d symbolic links", name, maxLinks)
}
