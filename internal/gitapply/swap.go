package gitapply

import (
	"errors"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// run does an armed change. When it fails the work tree is as it was.
func (c *change) run() error {
	if err := c.arm(); err != nil {
		return err
	}
	if err := c.do(); err != nil {
		return errors.Join(err, c.undo())
	}
	if err := c.disarm(); err != nil {
		return errors.Join(err, c.undo())
	}
	return nil
}

// do makes the files as they will be. The new files are on the disk before the
// first of the old ones goes.
func (c *change) do() error {
	temps := map[string]string{}
	for n, p := range c.paths {
		if !look(c.after, p).there() {
			continue
		}
		c.step()
		temps[p] = path.Join(c.nearest(p), c.temp(n))
		err := copyNode(c.after, p, c.tree, temps[p])
		if err == nil {
			err = c.permit(p, temps[p])
		}
		if err != nil {
			return c.diskFault(err, p)
		}
	}
	if err := c.sync(); err != nil {
		return err
	}
	for _, p := range c.paths {
		if temps[p] == "" {
			if err := c.remove(p); err != nil {
				return err
			}
		}
	}
	for _, p := range c.paths {
		if temps[p] != "" {
			if err := c.put(p, temps[p]); err != nil {
				return err
			}
		}
	}
	for _, p := range c.paths { // as git does
		for dir := path.Dir(p); dir != "." && look(c.tree, dir).kind == isDir && c.tree.Remove(dir) == nil; {
			dir = path.Dir(dir)
		}
	}
	return c.sync()
}

// remove removes a file that is as it was.
func (c *change) remove(p string) error {
	if err := c.unchanged(p); err != nil {
		return err
	}
	c.step()
	return c.tree.Remove(p)
}

// put gives a new file its place, if that is as it was.
func (c *change) put(p, temp string) error {
	if err := c.unchanged(p); err != nil {
		return err
	}
	c.step()
	if err := makeDirs(c.tree, path.Dir(p)); err != nil {
		return c.diskFault(err, p)
	}
	if err := removeEmpty(c.tree, p); err != nil {
		return err
	}
	c.step()
	return c.diskFault(c.tree.Rename(temp, p), p)
}

func (c *change) unchanged(p string) error {
	same, err := sameNode(c.before, c.tree, p)
	if err == nil && !same {
		err = fault.New(fault.Conflict, "%s changed while the patch was applied", filepath.Join(c.tree.Name(), p)).
			WithHint("your files are as they were: try again")
	}
	return err
}

func (c *change) diskFault(err error, p string) error {
	return statedir.DiskFault(err, filepath.Join(c.tree.Name(), p))
}

// temp is the name of the file that will be the nth path.
func (c *change) temp(n int) string { return tempMark + c.id + "-" + strconv.Itoa(n) }

// nearest is the directory above p that is there, so that a file can be renamed
// from it to p.
func (c *change) nearest(p string) string {
	dir := path.Dir(p)
	for dir != "." && look(c.tree, dir).kind != isDir {
		dir = path.Dir(dir)
	}
	return dir
}

func isTemp(name, id string) bool { return strings.HasPrefix(name, tempMark+id+"-") }
