package gitapply

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/gittree"
)

// kind is what a path is.
type kind byte

const (
	isNothing kind = iota
	isDir
	isFile
	isLink
	isOther
)

// node is a path as it is found. Directories and nothing are alike for git.
type node struct {
	kind kind
	exec bool
	size int64
}

func (n node) there() bool { return n.kind > isDir }

// look says what a path is. What is below a file or a link is nothing.
func look(root *os.Root, p string) node {
	if dir := path.Dir(p); dir != "." && look(root, dir).kind != isDir {
		return node{}
	}
	info, err := root.Lstat(p)
	switch {
	case err != nil:
		return node{}
	case info.IsDir():
		return node{kind: isDir}
	case info.Mode()&fs.ModeSymlink != 0:
		return node{kind: isLink}
	case info.Mode().IsRegular():
		return node{kind: isFile, exec: info.Mode()&0o100 != 0, size: info.Size()}
	}
	return node{kind: isOther}
}

// sameNode reports whether git would see no difference between p in two trees.
func sameNode(a, b *os.Root, p string) (bool, error) {
	x, y := look(a, p), look(b, p)
	if !x.there() && !y.there() {
		return true, nil
	}
	if x != y {
		return false, nil
	}
	if x.kind == isLink {
		was, err := a.Readlink(p)
		if err != nil {
			return false, err
		}
		now, err := b.Readlink(p)
		return was == now, err
	}
	return sameContent(a, b, p)
}

func sameContent(a, b *os.Root, p string) (bool, error) {
	x, err := openFile(a, p)
	if err != nil {
		return false, err
	}
	defer func() { _ = x.Close() }()
	y, err := openFile(b, p)
	if err != nil {
		return false, err
	}
	defer func() { _ = y.Close() }()
	left, right := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errX := io.ReadFull(x, left)
		m, errY := io.ReadFull(y, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		if errX != nil || errY != nil {
			return true, errors.Join(unlessEnd(errX), unlessEnd(errY))
		}
	}
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func openFile(root *os.Root, p string) (*os.File, error) {
	return root.OpenFile(p, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

// copyNode copies a file with its mode and time, or a link.
func copyNode(from *os.Root, p string, to *os.Root, as string) error {
	if look(from, p).kind == isLink {
		target, err := from.Readlink(p)
		if err != nil {
			return err
		}
		return to.Symlink(target, as)
	}
	in, err := openFile(from, p)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := gittree.CopyFile(in, to, as); err != nil {
		return err
	}
	return to.Chmod(as, info.Mode().Perm())
}

// removeEmpty removes a directory with nothing but directories in it: git, which
// knows none, would find it in its way. What is no directory stays.
func removeEmpty(root *os.Root, dir string) error {
	if look(root, dir).kind != isDir {
		return nil
	}
	below, err := dirsBelow(root, dir)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(below) {
		if err := root.Remove(d); err != nil {
			return err
		}
	}
	return nil
}

// dirsBelow lists dir and the directories in it, parents first.
func dirsBelow(root *os.Root, dir string) ([]string, error) {
	dirs := []string{dir}
	entries, err := readDir(root, dir)
	for _, e := range entries {
		if err == nil && e.IsDir() {
			var below []string
			below, err = dirsBelow(root, path.Join(dir, e.Name()))
			dirs = append(dirs, below...)
		}
	}
	return dirs, err
}

// readDir reads a directory whose name need not be UTF-8.
func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	file, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	entries, err := file.ReadDir(-1)
	return entries, errors.Join(err, file.Close())
}

// parents are the directories that lead to paths, each once, parents first.
func parents(paths []string) []string {
	seen := map[string]bool{".": true}
	dirs := []string{"."}
	for _, p := range paths {
		for dir := path.Dir(p); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs[1:])
	return dirs
}
