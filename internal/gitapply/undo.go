package gitapply

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostgit"
)

// undo makes the files as they were, but for those that are neither as they
// were nor as they should be: somebody has written them since, and the error
// names them. It may be cut off at any point and begun again.
func (c *change) undo() error {
	c.removeTemps()
	kept, back, err := c.divide()
	if err != nil {
		return err
	}
	c.restoreDirs()
	for n, p := range back {
		c.step()
		err := copyNode(c.before, p, c.tree, path.Join(path.Dir(p), c.temp(n)))
		if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrNotExist) {
			continue // the next loop will not find it
		}
		if err != nil {
			return c.diskFault(err, p)
		}
	}
	if err := c.sync(); err != nil {
		return err
	}
	for n, p := range back {
		c.step()
		err := removeEmpty(c.tree, p)
		if err == nil {
			err = c.tree.Rename(path.Join(path.Dir(p), c.temp(n)), p)
		}
		if err != nil {
			kept = append(kept, p)
		}
	}
	c.removeTemps()
	if err := c.sync(); err != nil {
		return err
	}
	if len(kept) == 0 {
		return c.disarm()
	}
	if err := c.rename(c.dir, c.dir+keptSuffix); err != nil {
		return err
	}
	return fault.New(fault.Conflict, "a patch was undone in %s, except for what was changed since: %s", c.tree.Name(), hostgit.Printable(hostgit.SomeOf(kept))).
		WithHint("the files as they were are in %s; remove it when you no longer need it", filepath.Join(c.dir+keptSuffix, changeBefore))
}

// divide removes the files that are new, and sorts out the others: those that
// somebody else has changed, and those that have to be put back.
func (c *change) divide() (kept, back []string, err error) {
	for _, p := range c.paths {
		asWas, err := sameNode(c.before, c.tree, p)
		if err != nil {
			return nil, nil, err
		}
		if asWas {
			continue
		}
		asPlanned, err := sameNode(c.after, c.tree, p)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case look(c.tree, p).there() && !asPlanned:
			kept = append(kept, p)
		case look(c.before, p).there():
			back = append(back, p)
		default:
			c.step()
			if err := c.tree.Remove(p); err != nil {
				return nil, nil, err
			}
		}
	}
	back = slices.DeleteFunc(back, func(p string) bool {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if slices.Contains(kept, dir) {
				kept = append(kept, p)
				return true
			}
		}
		return false
	})
	return kept, back, nil
}

// restoreDirs removes the directories that were not there, unless something is
// in them by now, and makes those that were.
func (c *change) restoreDirs() {
	had := map[string]fs.FileMode{}
	for _, d := range c.dirs {
		had[string(d.Path)] = d.Mode
	}
	all := parents(c.paths)
	for _, dir := range slices.Backward(all[1:]) {
		if _, ok := had[dir]; !ok && look(c.tree, dir).kind == isDir {
			c.step()
			_ = c.tree.Remove(dir) // somebody has put something there
		}
	}
	for _, d := range c.dirs { // parents come first
		c.step()
		if c.tree.Mkdir(string(d.Path), 0o700) == nil {
			_ = c.tree.Chmod(string(d.Path), d.Mode)
		}
	}
}

// removeTemps removes the files that never got their places.
func (c *change) removeTemps() {
	for _, dir := range parents(c.paths) {
		if look(c.tree, dir).kind != isDir {
			continue
		}
		entries, err := readDir(c.tree, dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if isTemp(e.Name(), c.id) {
				c.step()
				_ = c.tree.Remove(path.Join(dir, e.Name())) // a name that nobody else has
			}
		}
	}
}
