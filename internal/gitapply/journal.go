package gitapply

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

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

// newChange makes a change that nobody will undo yet. The caller discards it.
func (a *Applier) newChange(top string) (*change, error) {
	c := &change{id: ids.New(), flush: a.flush, step: a.step}
	c.dir = filepath.Join(a.dir, c.id)
	for _, dir := range []string{a.dir, c.staging(), filepath.Join(c.staging(), changeBefore), filepath.Join(c.staging(), changeAfter)} {
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

// SyncFilesystem writes the filesystem that dir is on to the disk.
func SyncFilesystem(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(file.Fd())), file.Close())
}

// note remembers the directories that may go.
func (c *change) note(replaced []string) error {
	dirs := parents(c.paths)[1:]
	for _, dir := range replaced {
		below, err := dirsBelow(c.tree, dir)
		if err != nil {
			return err
		}
		dirs = append(dirs, below...)
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		info, err := c.tree.Lstat(dir)
		if err == nil && info.IsDir() {
			c.dirs = append(c.dirs, dirMode{Path: []byte(dir), Mode: info.Mode().Perm()})
		}
	}
	return nil
}
