package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitindex"
)

// gitIndex is where a repository's index is below its work tree.
const gitIndex = ".git/index"

// unpack writes the tree below root, an empty directory, and returns the
// indexes in it. No path leads through a link.
func unpack(ctx context.Context, tree *agentrpc.TreeReader, root string) (indexes []string, err error) {
	w := &unpacker{buf: make([]byte, 256<<10)}
	top, err := unix.Open(root, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	w.dirs = []openDir{{fd: top}}
	defer w.close()
	for {
		e, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return indexes, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if err := w.write(e, tree); err != nil {
			return nil, fmt.Errorf("write %q: %w", e.Path, err)
		}
		if e.Kind == agentrpc.TreeFile && (e.Path == gitIndex || strings.HasSuffix(e.Path, "/"+gitIndex)) {
			indexes = append(indexes, e.Path)
		}
	}
}

// unpacker keeps the directories open that lead to the present path.
type unpacker struct {
	dirs []openDir
	buf  []byte
}

type openDir struct {
	name string
	fd   int
}

func (w *unpacker) close() {
	for _, d := range w.dirs {
		_ = unix.Close(d.fd)
	}
}

// enter returns the open directory dir, relative to the root.
func (w *unpacker) enter(dir string) (int, error) {
	var names []string
	if dir != "." {
		names = strings.Split(dir, "/")
	}
	same := 0
	for same < len(names) && same+1 < len(w.dirs) && w.dirs[same+1].name == names[same] {
		same++
	}
	for len(w.dirs) > same+1 {
		last := len(w.dirs) - 1
		_ = unix.Close(w.dirs[last].fd)
		w.dirs = w.dirs[:last]
	}
	for _, name := range names[same:] {
		fd, err := openOrMake(w.dirs[len(w.dirs)-1].fd, name)
		if err != nil {
			return 0, err
		}
		w.dirs = append(w.dirs, openDir{name: name, fd: fd})
	}
	return w.dirs[len(w.dirs)-1].fd, nil
}

func openOrMake(at int, name string) (int, error) {
	const flags = unix.O_DIRECTORY | unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			return 0, err
		}
		fd, err = unix.Openat(at, name, flags, 0)
	}
	return fd, err
}

func (w *unpacker) write(e agentrpc.TreeEntry, data io.Reader) error {
	if e.Kind == agentrpc.TreeDir {
		fd, err := w.enter(e.Path)
		if err == nil && e.Mode&0o777 != 0o755 {
			err = unix.Fchmod(fd, e.Mode&0o777|0o700)
		}
		return err
	}
	at, err := w.enter(path.Dir(e.Path))
	if err != nil {
		return err
	}
	name := path.Base(e.Path)
	switch e.Kind {
	case agentrpc.TreeFile:
		err = w.file(at, name, e, data)
	case agentrpc.TreeLink:
		var target []byte
		if target, err = io.ReadAll(data); err == nil {
			err = unix.Symlinkat(string(target), at, name)
		}
	default:
		return fmt.Errorf("a record of kind %q has no data", byte(e.Kind))
	}
	if err != nil || e.ModTime.IsZero() {
		return err
	}
	stamp := unix.NsecToTimespec(e.ModTime.UnixNano())
	return unix.UtimesNanoAt(at, name, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
}

func (w *unpacker) file(at int, name string, e agentrpc.TreeEntry, data io.Reader) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, e.Mode&0o777)
	if err != nil {
		return err
	}
	if e.Mode&0o022 != 0 { // which the umask may have taken away
		err = unix.Fchmod(fd, e.Mode&0o777)
	}
	for left := e.Size; err == nil && left > 0; {
		part := w.buf[:min(int64(len(w.buf)), left)]
		if _, err = io.ReadFull(data, part); err == nil {
			err = writeAll(fd, part)
		}
		left -= int64(len(part))
	}
	return errors.Join(err, unix.Close(fd))
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// refresh tells the index at path about the files as they are here: git takes
// a file for changed whose times and inode are not those of the index.
func refresh(indexPath, format string) error {
	data, err := os.ReadFile(indexPath)
	if err != nil {
		return err
	}
	x, err := gitindex.Parse(data, gitindex.HashSize(format))
	if err != nil {
		return err
	}
	top := filepath.Dir(filepath.Dir(indexPath))
	for i := range x.Entries {
		if !x.Marked(i) {
			continue
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(top, x.Entries[i].Path), &st); err != nil {
			continue // git will see that it is not there
		}
		x.Refresh(i, &st)
	}
	fresh := indexPath + ".lock" // as git itself does
	if err := os.WriteFile(fresh, x.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, indexPath)
}
