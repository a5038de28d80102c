package configure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
)

// tree is the directory that becomes the guest's root. Links are resolved inside it.
type tree struct {
	root string
	// covers is where files in memory are for which the disk has no room.
	covers string
}

// inside returns the directory at path in the tree, and makes it where it is missing.
func (t tree) inside(path string) (string, error) {
	target, err := securejoin.SecureJoin(t.root, path)
	if err != nil {
		return "", err
	}
	return target, os.MkdirAll(target, 0o755)
}

// has reports whether there is something at path.
func (t tree) has(path string) bool {
	target, err := securejoin.SecureJoin(t.root, path)
	if err != nil {
		return false
	}
	_, err = os.Lstat(target)
	return err == nil
}

// errCovered says that a file is there for this start only.
var errCovered = errors.New("the disk is full, so it is kept in memory until the next start")

// place writes f into the tree, whole or not at all. Whatever is at its own name
// is replaced, a link and a directory too; a directory with something in it is
// put aside. A file that is there as it should be is left alone. On a disk that
// takes nothing the file is put over the old one, from memory: errCovered.
func (t tree) place(f agentrpc.File) error {
	dir, err := t.inside(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.Base(f.Path))
	if inPlace(path, f) {
		return nil
	}
	err = replace(path, f)
	if !takesNothing(err) {
		return err
	}
	if coverErr := t.cover(path, f); coverErr != nil {
		return errors.Join(err, coverErr)
	}
	return errCovered
}

func takesNothing(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// inPlace reports whether f is there already.
func inPlace(path string, f agentrpc.File) bool {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode != unix.S_IFREG|f.Mode&0o777 || int(st.Uid) != f.UID || int(st.Gid) != f.GID {
		return false
	}
	data, err := regular.Read(path, int64(len(f.Data)))
	return err == nil && bytes.Equal(data, f.Data)
}

func replace(path string, f agentrpc.File) error {
	staged, err := os.CreateTemp(filepath.Dir(path), ".banger-*")
	if err != nil {
		return err
	}
	if err = fill(staged, f); err == nil {
		err = vacate(path)
	}
	if err == nil {
		err = os.Rename(staged.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged.Name()))
	}
	return nil
}

// fill gives a new file content, owner and mode, and closes it.
func fill(file *os.File, f agentrpc.File) error {
	_, err := file.Write(f.Data)
	return errors.Join(err, file.Chown(f.UID, f.GID), file.Chmod(os.FileMode(f.Mode).Perm()), file.Close())
}

// vacate takes a directory away that is where a file should be.
func vacate(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || os.Remove(path) == nil {
		return nil //nolint:nilerr // the rename says what is wrong
	}
	for n := range 100 {
		aside := fmt.Sprintf("%s.replaced-%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, aside)
		}
	}
	return fmt.Errorf("%s is a directory, and too many directories were moved aside before", path)
}

// coversSize bounds what files in memory take.
const coversSize = "size=8m"

// cover mounts f over the regular file at path, which it makes where there is
// none: an empty file may still fit.
func (t tree) cover(path string, f agentrpc.File) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		var empty *os.File
		if empty, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err != nil {
			return err
		}
		err = empty.Close()
	} else if err == nil && !info.Mode().IsRegular() {
		err = regular.ErrNotRegular
	}
	if err != nil {
		return err
	}
	var at unix.Statfs_t
	if err := os.MkdirAll(t.covers, 0o700); err != nil {
		return err
	}
	if err := unix.Statfs(t.covers, &at); err != nil || at.Type != unix.TMPFS_MAGIC {
		if err := mount("tmpfs", t.covers, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, coversSize); err != nil {
			return err
		}
	}
	source, err := os.CreateTemp(t.covers, filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	if err := fill(source, f); err != nil {
		return err
	}
	if err := unix.Mount(source.Name(), path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return nil
}
