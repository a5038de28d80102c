package configure

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// maxVolumeBytes and maxVolumeEntries bound what of an image is copied to a new
	// volume, which the boot waits for.
	maxVolumeBytes   = 4 << 30
	maxVolumeEntries = 1 << 20
)

// volumes binds what cannot live on an overlay. A volume begins with what is in
// the tree at its path, as docker's do.
func (c *configuring) volumes(ctx context.Context) error {
	for _, path := range agentrpc.DataDirs() {
		source := filepath.Join(DirVM, nameVolumes, filepath.Base(path))
		if err := c.volume(ctx, source, path); err != nil {
			c.note("%s is not a volume: %v", path, err)
		}
	}
	return nil
}

// imageVolumes makes the directories that the image's author means for data, as
// container runtimes do, as far as it can. Its error is the first, since an image can
// name many.
func (c *configuring) imageVolumes(ctx context.Context) error {
	var first error
	for _, path := range c.cfg.Volumes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := c.tree.inside(filepath.Join("/", path)); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c *configuring) volume(ctx context.Context, source, path string) error {
	target, err := c.tree.inside(path)
	if err != nil {
		return err
	}
	if err := fillVolume(ctx, target, source); err != nil {
		return err
	}
	return mount(source, target, "", unix.MS_BIND, "")
}

// fillVolume makes the directory source with what is in target, unless it is there.
// It is there whole or not at all.
func fillVolume(ctx context.Context, target, source string) error {
	if _, err := os.Lstat(source); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	staging := source + ".staging"
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(source), 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o711); err != nil {
		return err
	}
	names, err := os.ReadDir(target)
	if err == nil && len(names) > 0 {
		err = copyTree(ctx, target, staging, bounds{bytes: maxVolumeBytes, entries: maxVolumeEntries})
	}
	if err == nil {
		err = os.Rename(staging, source)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(staging))
	}
	return nil
}
