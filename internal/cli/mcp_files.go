package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/mcp"
)

const (
	// writeTime bounds how long a guest may take to store one file.
	writeTime = 2 * time.Minute
	// writeBlock is how much is written before a look at whether it is wanted still.
	writeBlock = 256 << 10
	// maxLinks bounds the symbolic links that are followed to a file, as Linux does.
	maxLinks = 40
)

// mcpFiles reads and writes files of guests by SFTP.
type mcpFiles struct{ c *client.Client }

// ReadFile returns a part of a regular file.
func (m mcpFiles) ReadFile(ctx context.Context, vm, name string, offset int64, limit int) ([]byte, mcp.FileInfo, error) {
	remote, closeAll, err := dialSFTP(ctx, m.c, vm)
	if err != nil {
		return nil, mcp.FileInfo{}, err
	}
	defer closeAll()
	data, info, err := readGuestFile(remote, name, offset, limit)
	if err != nil && ctx.Err() != nil {
		return nil, mcp.FileInfo{}, ctx.Err()
	}
	return data, info, err
}

func readGuestFile(remote *sftp.Client, name string, offset int64, limit int) ([]byte, mcp.FileInfo, error) {
	// Before it is opened, since to open a pipe is to wait.
	stat, err := remote.Stat(name)
	if err != nil {
		return nil, mcp.FileInfo{}, fileFault(name, err)
	}
	if err := regular(name, stat); err != nil {
		return nil, mcp.FileInfo{}, err
	}
	f, err := remote.Open(name)
	if err != nil {
		return nil, mcp.FileInfo{}, fileFault(name, err)
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, limit)
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, mcp.FileInfo{}, fileFault(name, err)
	}
	return data[:n], mcp.FileInfo{Size: stat.Size(), Mode: stat.Mode(), Modified: stat.ModTime()}, nil
}

func regular(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fault.New(fault.Invalid, "%s is a directory", name).WithHint("list it with exec: ls -la")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is not a regular file (%s)", name, info.Mode().Type())
	default:
		return nil
	}
}

// WriteFile puts a file in the place of what is there, in one step.
func (m mcpFiles) WriteFile(ctx context.Context, vm string, w mcp.FileWrite) (created bool, err error) {
	// A call that is cancelled still removes what it staged.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	dialing, stop := context.WithCancel(bounded)
	defer stop()
	giveUp := context.AfterFunc(ctx, stop)
	remote, closeAll, err := dialSFTP(dialing, m.c, vm)
	if !giveUp() || err != nil {
		if err == nil {
			closeAll()
		}
		return false, errors.Join(ctx.Err(), err)
	}
	defer closeAll()
	return writeGuestFile(ctx, remote, w)
}

func writeGuestFile(ctx context.Context, remote *sftp.Client, w mcp.FileWrite) (created bool, err error) {
	name, old, err := destination(remote, w.Path)
	if err != nil {
		return false, err
	}
	if w.Parents {
		if err := remote.MkdirAll(path.Dir(name)); err != nil {
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
	if old == nil {
		if _, err := remote.Stat(path.Dir(name)); errors.Is(plainSFTP(err), fs.ErrNotExist) {
			return false, fault.New(fault.NotFound, "the directory %s does not exist", path.Dir(name)).WithHint("give create_directories")
		}
	}
	staged, err := stageGuestFile(ctx, remote, path.Dir(name), w.Data, mode, old)
	if err == nil {
		err = remote.PosixRename(staged, name)
	}
	if err != nil {
		if staged != "" {
			_ = remote.Remove(staged) // the first error tells more
		}
		return false, fileFault(w.Path, err)
	}
	return old == nil, nil
}

// stageGuestFile writes a file beside its destination. It returns the name
// also when it could write a part only.
func stageGuestFile(ctx context.Context, remote *sftp.Client, dir string, data []byte, mode fs.FileMode, old fs.FileInfo) (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	name := path.Join(dir, ".banger-"+hex.EncodeToString(random[:]))
	f, err := remote.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return "", err
	}
	err = f.Chmod(0o600)
	for err == nil && len(data) > 0 {
		if err = ctx.Err(); err != nil {
			break
		}
		block := data[:min(len(data), writeBlock)]
		_, err = f.Write(block)
		data = data[len(block):]
	}
	if owner, ok := ownerOf(old); ok && err == nil {
		err = f.Chown(int(owner.UID), int(owner.GID))
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	return name, errors.Join(err, f.Close())
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
func destination(remote *sftp.Client, name string) (resolved string, old fs.FileInfo, err error) {
	resolved = path.Clean(name)
	for range maxLinks {
		info, err := remote.Lstat(resolved)
		if errors.Is(plainSFTP(err), fs.ErrNotExist) {
			return resolved, nil, nil
		}
		if err != nil {
			return "", nil, fileFault(name, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return resolved, info, regular(name, info)
		}
		to, err := remote.ReadLink(resolved)
		if err != nil {
			return "", nil, fileFault(name, err)
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(resolved), to)
		}
		resolved = to
	}
	return "", nil, fault.New(fault.Invalid, "%s is more than %d symbolic links away from a file", name, maxLinks)
}

// fileFault gives an error about a guest's file its code.
func fileFault(name string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	err = plainSFTP(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "%s", name)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.PermissionDenied, err, "%s", name)
	default:
		return fault.Wrap(fault.Unavailable, err, "%s", name)
	}
}
