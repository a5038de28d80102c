package gitrepo

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/workspace"
)

// Apply implements workspace.Git. The new files are made beside the work tree,
// from a copy of its index, and take their places when all of them are there.
func (g *Git) Apply(ctx context.Context, req workspace.ApplyRequest) (conflicts []string, err error) {
	git, err := g.user()
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(req.Patch); err != nil || info.Size() == 0 {
		return nil, err // nothing to do
	}
	release, err := g.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := g.undoLeft(req.Top); err != nil {
		return nil, err
	}
	replaced := becomeFiles(req)
	if conflicts, err := occupied(req, replaced); err != nil || len(conflicts) > 0 {
		return conflicts, err
	}
	c, err := g.newChange(req.Top)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.discard()) }()
	a := &applying{git: git, req: req, change: c}
	if conflicts, err := a.stage(ctx); err != nil || len(conflicts) > 0 || req.CheckOnly {
		return conflicts, err
	}
	if err := a.takeOut(ctx); err != nil {
		return nil, err
	}
	if err := c.note(replaced); err != nil {
		return nil, err
	}
	return nil, c.run() // from here on it is finished or undone, whoever is still waiting
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
