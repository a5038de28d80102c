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

// conflictsIn reads the files in a patch's way from what git apply says.
func conflictsIn(stderr string) []string {
	var out []string
	for line := range strings.Lines(stderr) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "error: ")
		if !ok {
			continue
		}
		text = strings.TrimPrefix(text, "patch failed: ")
		for _, end := range []string{
			": patch does not apply", ": already exists in index", ": does not exist in index", ": wrong type",
		} {
			if name, ok := strings.CutSuffix(text, end); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		if _, rest, ok := strings.Cut(text, "the patch applies to '"); ok {
			if name, _, ok := strings.Cut(rest, "' ("); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
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
