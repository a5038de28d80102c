package gitapply

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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

// conflictsIn finds the files in a patch's way in what git apply says. It looks
// for paths that it knows, as a name may have line ends in it.
func conflictsIn(stderr string, paths []string) []string {
	var out []string
	for _, p := range paths {
		said := asGitSays(p)
		for _, complaint := range []string{
			"error: " + said + ": patch does not apply\n", "error: " + said + ": already exists in index\n",
			"error: " + said + ": does not exist in index\n", "error: " + said + ": wrong type\n",
			"error: patch failed: " + said + ":", "the patch applies to '" + said + "' (",
		} {
			if strings.Contains(stderr+"\n", complaint) {
				out = append(out, p)
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// asGitSays is how git prints a path in an error: byte by byte, but for what
// could steer a terminal.
func asGitSays(p string) string {
	out := []byte(p)
	for i, c := range out {
		if (c < ' ' || c == 0x7f) && c != '\t' && c != '\n' {
			out[i] = '?'
		}
	}
	return string(out)
}

// patchPaths are the files that a patch may touch.
func patchPaths(files []workspace.File) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if f.From != "" {
			paths = append(paths, f.From)
		}
	}
	return paths
}
