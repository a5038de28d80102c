package gitrepo

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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

// occupied returns what is in the patch's way and is not in the index: those of
// dirs that hold more than what the patch removes, and files where it has
// directories.
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

// filesAsParents returns the files that stay, where the patch has a directory.
func filesAsParents(req workspace.ApplyRequest, leaves map[string]bool) []string {
	var conflicts []string
	for _, p := range patchPaths(req.Files) {
		for dir := filepath.Dir(p); dir != "."; dir = filepath.Dir(dir) {
			info, err := os.Lstat(filepath.Join(req.Top, dir))
			if err == nil && !info.IsDir() && !leaves[dir] && !slices.Contains(conflicts, dir) {
				conflicts = append(conflicts, dir)
			}
		}
	}
	return conflicts
}
