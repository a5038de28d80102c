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
func (g *Git) Apply(ctx context.Context, req workspace.ApplyRequest) (res workspace.ApplyResult, err error) {
	git, err := g.user()
	if err != nil {
		return res, err
	}
	if info, err := os.Stat(req.Patch); err != nil || info.Size() == 0 {
		return res, err // nothing to do
	}
	release, err := g.take(ctx)
	if err != nil {
		return res, err
	}
	defer release()
	if err := g.undoLeft(req.Top); err != nil {
		return res, err
	}
	c, err := g.newChange(req.Top)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, c.discard()) }()
	return g.change(ctx, &applying{git: git, bounds: g.bounds(), patchBytes: g.limits.PatchBytes, req: req, change: c})
}

// change applies a patch to the work tree, or says why it does not apply.
func (g *Git) change(ctx context.Context, a *applying) (res workspace.ApplyResult, err error) {
	replaced := becomeFiles(a.req)
	if res.Conflicts, err = a.stage(ctx, replaced); err != nil {
		return res, err
	}
	if len(res.Conflicts) > 0 {
		if res.Already = a.already(ctx); res.Already {
			res.Conflicts = nil
		}
		return res, nil
	}
	if a.req.CheckOnly {
		return res, nil
	}
	if err := a.takeOut(ctx); err != nil {
		return res, err
	}
	if err := a.change.note(replaced); err != nil {
		return res, err
	}
	return res, a.change.run() // from here on it is finished or undone, whoever is still waiting
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
