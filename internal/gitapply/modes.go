package gitapply

import (
	"io/fs"
	"os"
	"path"
)

// permit gives the new file temp, which will be p, the permissions that the
// file has now, or, to one that was not there, those of its directory: bangerd
// knows no umask of the user's, and its own is strict.
func (c *change) permit(p, temp string) error {
	info, err := c.tree.Lstat(temp)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	of, path := c.before, p
	if look(c.before, p).kind != isFile {
		of, path = c.tree, c.nearest(p)
	}
	like, err := of.Stat(path)
	if err != nil {
		return err
	}
	mode := like.Mode().Perm()&^0o111 | 0o600
	if info.Mode()&0o100 != 0 {
		mode |= mode & 0o444 >> 2
	}
	return c.tree.Chmod(temp, mode)
}

// makeDirs makes a directory and those above it, each with the permissions of
// the one that it is in.
func makeDirs(root *os.Root, dir string) error {
	if look(root, dir).kind == isDir {
		return nil
	}
	above := path.Dir(dir)
	if err := makeDirs(root, above); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o700); err != nil {
		return err
	}
	like, err := root.Stat(above)
	if err != nil {
		return err
	}
	made, err := root.Stat(dir)
	if err != nil {
		return err
	}
	return root.Chmod(dir, like.Mode().Perm()|0o700|made.Mode()&fs.ModeSetgid)
}
