package gitapply

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// Recover undoes the patches whose application was cut off, by a machine or a
// process that ended. What cannot be undone now, since the work tree is not
// there, is tried again by the next Recover or Apply. The error tells of
// everything that is not as it was.
func (a *Applier) Recover(ctx context.Context) error {
	release, err := a.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	return a.undoLeft("")
}

// take waits until nobody else changes a work tree.
func (a *Applier) take(ctx context.Context) (release func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// undoLeft undoes what was cut off in the work tree top; empty: in all.
func (a *Applier) undoLeft(top string) error {
	entries, err := os.ReadDir(a.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		dir := filepath.Join(a.dir, e.Name())
		switch filepath.Ext(e.Name()) {
		case statedir.StagingSuffix:
			errs = append(errs, os.RemoveAll(dir))
		case "":
			errs = append(errs, a.undoOne(dir, top))
		}
	}
	return errors.Join(errs...)
}

func (a *Applier) undoOne(dir, top string) error {
	data, err := os.ReadFile(filepath.Join(dir, changeRecord))
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return fault.Wrap(fault.Internal, err, "read %s", filepath.Join(dir, changeRecord))
	}
	if r.Format != changeFormat {
		return fault.New(fault.Internal, "%s has format %d, and this banger knows %d", dir, r.Format, changeFormat)
	}
	if top != "" && top != string(r.Top) {
		return nil
	}
	c := &change{dir: dir, id: filepath.Base(dir), dirs: r.Dirs, flush: a.flush, step: a.step}
	for _, p := range r.Paths {
		c.paths = append(c.paths, string(p))
	}
	if err := c.open(dir, string(r.Top)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "undo the patch that was not applied in all of %s", r.Top)
	}
	return errors.Join(c.undo(), c.discard())
}
