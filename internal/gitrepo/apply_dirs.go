package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/workspace"
)

// becomeFiles returns the directories of the work tree that the patch makes files of.
func becomeFiles(req workspace.ApplyRequest) []string {
	var dirs []string
	for _, f := range req.Files {
		if info, err := os.Lstat(filepath.Join(req.Top, f.Path)); f.Status != "deleted" && err == nil && info.IsDir() {
			dirs = append(dirs, f.Path)
		}
	}
	return dirs
}

// occupied returns what is in the patch's way and git notices only when it
// writes, or names by another path: those of dirs that hold more than what the patch removes, and files
// where it needs directories.
func occupied(req workspace.ApplyRequest, dirs []string) ([]string, error) {
	leaves := map[string]bool{}
	for _, f := range req.Files {
		switch f.Status {
		case "deleted":
			leaves[f.Path] = true
		case "renamed":
			leaves[f.From] = true
		}
	}
	conflicts := filesAsParents(req, leaves)
	for _, dir := range dirs {
		stays := false
		err := filepath.WalkDir(filepath.Join(req.Top, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(req.Top, name)
			if err == nil && !leaves[rel] {
				stays, err = true, fs.SkipAll
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if stays {
			conflicts = append(conflicts, dir)
		}
	}
	return conflicts, nil
}

// filesAsParents returns the files that stay, where the patch needs a directory.
func filesAsParents(req workspace.ApplyRequest, leaves map[string]bool) []string {
	var conflicts []string
	for _, f := range req.Files {
		if f.Status == "deleted" {
			continue
		}
		for dir := filepath.Dir(f.Path); dir != "."; dir = filepath.Dir(dir) {
			info, err := os.Lstat(filepath.Join(req.Top, dir))
			if err == nil && !info.IsDir() && !leaves[dir] && !slices.Contains(conflicts, dir) {
				conflicts = append(conflicts, dir)
			}
		}
	}
	return conflicts
}

// clearEmpty removes the empty directories below dirs: git, which knows none,
// would find them in its way. Nothing that git keeps is lost by that.
func clearEmpty(top string, dirs []string) error {
	for _, dir := range dirs {
		var below []string
		err := filepath.WalkDir(filepath.Join(top, dir), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				below = append(below, name)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range slices.Backward(below[1:]) {
			if err := os.Remove(name); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
				return err
			}
		}
	}
	return nil
}
