package gitrepo

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/statedir"
)

// A change of a work tree is a directory with a record, and with the files as
// they were and as they will be. It is made under a name that is swept, and
// renamed when it is whole: from then on whoever finds it undoes it, until it
// is done and has the first name again.
const (
	changeFormat = 1
	changeRecord = "change.json"
	changeBefore = "before"
	changeAfter  = "after"
	// keptSuffix is for changes that could not be undone in all files, because
	// somebody changed those since. They stay for the user.
	keptSuffix = ".kept"
	// tempMark begins the names of new files before they have their place.
	tempMark = ".banger-apply-"
)

// change is one change of a work tree.
type change struct {
	dir   string // without suffix
	id    string
	paths []string // what differs
	dirs  []dirMode
	tree  *os.Root // the work tree
	// before and after have the paths that are there before and after.
	before, after *os.Root
	flush         func(dir string) error
	step          func()
}

// record is a change's file. Paths need not be UTF-8.
type record struct {
	Format int       `json:"format"`
	Top    []byte    `json:"top"`
	Paths  [][]byte  `json:"paths"`
	Dirs   []dirMode `json:"dirs"`
}

// dirMode is a directory that was there before.
type dirMode struct {
	Path []byte      `json:"path"`
	Mode fs.FileMode `json:"mode"`
}

// newChange makes a change that nobody will undo yet. Close it.
func (g *Git) newChange(top string) (*change, error) {
	c := &change{id: ids.New(), flush: g.flush, step: g.step}
	c.dir = filepath.Join(g.applies, c.id)
	for _, dir := range []string{g.applies, c.staging(), filepath.Join(c.staging(), changeBefore), filepath.Join(c.staging(), changeAfter)} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, statedir.DiskFault(err, dir)
		}
	}
	return c, c.open(c.staging(), top)
}

func (c *change) staging() string { return c.dir + statedir.StagingSuffix }

// open opens the roots; dir is where the change is now.
func (c *change) open(dir, top string) (err error) {
	if c.tree, err = os.OpenRoot(top); err == nil {
		if c.before, err = os.OpenRoot(filepath.Join(dir, changeBefore)); err == nil {
			if c.after, err = os.OpenRoot(filepath.Join(dir, changeAfter)); err == nil {
				return nil
			}
		}
	}
	return errors.Join(err, c.close())
}

func (c *change) close() error {
	var errs []error
	for _, root := range []*os.Root{c.tree, c.before, c.after} {
		if root != nil {
			errs = append(errs, root.Close())
		}
	}
	return errors.Join(errs...)
}

// discard removes a change that is not armed.
func (c *change) discard() error { return errors.Join(c.close(), os.RemoveAll(c.staging())) }

// arm makes sure that the change will be undone if it is not done.
func (c *change) arm() error {
	r := record{Format: changeFormat, Top: []byte(c.tree.Name()), Dirs: c.dirs}
	for _, p := range c.paths {
		r.Paths = append(r.Paths, []byte(p))
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file := filepath.Join(c.staging(), changeRecord)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return statedir.DiskFault(err, file)
	}
	if err := c.flush(c.staging()); err != nil {
		return err
	}
	return c.rename(c.staging(), c.dir)
}

// disarm says that the change is done, or undone.
func (c *change) disarm() error { return c.rename(c.dir, c.staging()) }

func (c *change) rename(from, to string) error {
	c.step()
	if err := os.Rename(from, to); err != nil {
		return err
	}
	c.step()
	return c.flush(filepath.Dir(to))
}

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
			WithHint("all is as it was: try again")
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

// sync makes sure that the work tree is on the disk, on each filesystem of it.
func (c *change) sync() error {
	c.step()
	synced := map[uint64]bool{}
	for _, dir := range parents(c.paths) {
		var st *syscall.Stat_t
		if info, err := c.tree.Lstat(dir); err == nil && info.IsDir() {
			st, _ = info.Sys().(*syscall.Stat_t)
		}
		if st == nil || synced[st.Dev] {
			continue
		}
		synced[st.Dev] = true
		if err := c.flush(filepath.Join(c.tree.Name(), dir)); err != nil {
			return err
		}
	}
	return nil
}

func syncFilesystem(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(file.Fd())), file.Close())
}

func isTemp(name, id string) bool { return strings.HasPrefix(name, tempMark+id+"-") }
