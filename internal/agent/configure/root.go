package configure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Names on the VM disk.
const (
	nameSystem  = "system"
	nameHome    = "home"
	nameVolumes = "volumes"
	nameEmpty   = "empty"
	// nameReset holds what a reset put aside until it is removed.
	nameReset = "reset.staging"

	// Without redirect_dir, renaming an image's directory gives EXDEV; without
	// index, copying up splits hard links. An index is bound to one lower
	// filesystem (ESTALE with another), and homes outlive a change of the image.
	systemOptions = "redirect_dir=on,index=on"
	homeOptions   = "redirect_dir=on,index=off"
)

func (c *configuring) root(context.Context) error {
	err := errors.Join(c.reset(), giveUpSpare(DirVM))
	if err == nil {
		err = overlay(dirImage, filepath.Join(DirVM, nameSystem), Root, systemOptions)
	}
	if err == nil || !c.cfg.Init.Rescue {
		return err
	}
	c.note("cannot mount the VM's own system, so this is its image's, and everything written to it is lost: %v", err)
	if err := mount("tmpfs", dirRescue, "tmpfs", unix.MS_NOATIME, ""); err != nil {
		return err
	}
	return overlay(dirImage, filepath.Join(dirRescue, nameSystem), Root, systemOptions)
}

// reset puts the system part of the VM disk aside, by one rename, and leaves
// its removal to Result.Sweep. What an interrupted one left is removed too.
func (c *configuring) reset() error {
	disk, err := os.OpenRoot(DirVM)
	if err != nil {
		return err
	}
	if c.cfg.Init.Reset {
		if err := disk.Mkdir(nameReset, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		aside := filepath.Join(nameReset, c.cfg.MachineID+"-"+fmt.Sprint(c.cfg.UnixNano))
		if err := disk.Rename(nameSystem, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if _, err := disk.Lstat(nameReset); err != nil {
		return disk.Close()
	}
	c.result.Sweep = func() error {
		return errors.Join(disk.RemoveAll(nameReset), disk.Close())
	}
	return nil
}

// overlay mounts lower with its changes in dir/upper at target.
func overlay(lower, dir, target, options string) error {
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := likeLower(lower, upper); err != nil {
		return err
	}
	return mount("overlay", target, "overlay", unix.MS_NOATIME,
		"lowerdir="+lower+",upperdir="+upper+",workdir="+work+","+options)
}

// likeLower gives a fresh upper directory the owner and mode of the directory
// it covers: an overlay's root shows the upper's.
func likeLower(lower, upper string) error {
	marker := filepath.Join(filepath.Dir(upper), "made")
	if _, err := os.Lstat(marker); err == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(lower, &st); err != nil {
		return fmt.Errorf("stat %s: %w", lower, err)
	}
	if err := os.Chown(upper, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(upper, st.Mode&0o7777); err != nil {
		return fmt.Errorf("chmod %s: %w", upper, err)
	}
	return os.WriteFile(marker, nil, 0o600)
}

// homes covers /root and /home with their own overlays, which a reset keeps.
// After them nothing more is mounted that the VM's disk needs room for.
func (c *configuring) homes(context.Context) error {
	if err := c.coverHomes(); err != nil {
		return err
	}
	if err := setSpareAside(DirVM); err != nil {
		c.note("cannot reserve disk space for the next start: %v", err)
	}
	return nil
}

func (c *configuring) coverHomes() error {
	for _, name := range []string{"root", "home"} {
		lower := filepath.Join(dirImage, name)
		info, err := os.Lstat(lower)
		switch {
		case errors.Is(err, os.ErrNotExist):
			lower = filepath.Join(DirVM, nameEmpty, name)
			if err := os.MkdirAll(lower, homeMode(name)); err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Join(Root, name), homeMode(name)); err != nil {
				return err
			}
		case err != nil:
			return err
		case !info.IsDir():
			continue // a link: the image keeps its homes elsewhere, in the system part
		}
		if here, err := os.Lstat(filepath.Join(Root, name)); err != nil || !here.IsDir() {
			continue // the guest replaced it
		}
		if err := overlay(lower, filepath.Join(DirVM, nameHome, name), filepath.Join(Root, name), homeOptions); err != nil {
			return err
		}
	}
	return nil
}

func homeMode(name string) os.FileMode {
	if name == "root" {
		return 0o700
	}
	return 0o755
}

func trimLine(data []byte) string { return strings.TrimRight(string(data), "\n") }
