package gitapply

import (
	"context"
	"errors"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// applying is one patch on its way into a work tree.
type applying struct {
	host   *hostgit.Host
	git    gittree.Git
	req    workspace.ApplyRequest
	change *change
	snap   gittree.Snapshot
}

// stage applies the patch to a copy of the index that has the files as they
// are. The work tree and the user's index stay as they are. The directories
// replaced become files.
func (a *applying) stage(ctx context.Context, replaced []string) (conflicts []string, err error) {
	paths := patchPaths(a.req.Files)
	for _, p := range paths {
		if now := look(a.change.tree, p); now.kind == isOther {
			conflicts = append(conflicts, p)
		}
	}
	if len(conflicts) > 0 {
		return conflicts, nil
	}
	if err := a.save(paths); err != nil {
		return nil, err
	}
	if err := a.open(ctx, paths); err != nil {
		return nil, hostgit.Fault(err, "read %s", a.req.Top)
	}
	if conflicts, err = occupied(a.req, replaced); err != nil || len(conflicts) > 0 {
		return conflicts, err
	}
	before, err := a.entries()
	if err != nil {
		return nil, err
	}
	err = a.patch(ctx)
	if failure, ok := hostgit.AsError(err); ok {
		if conflicts = conflictsIn(failure.Stderr, paths); len(conflicts) > 0 {
			return conflicts, nil
		}
	}
	if err != nil {
		return nil, hostgit.Fault(hostgit.Excess(err), "check the patch in %s", a.req.Top)
	}
	after, err := a.entries()
	if err != nil {
		return nil, err
	}
	return nil, a.compare(paths, before, after)
}

// patch lets git apply the patch to the copy of the index.
func (a *applying) patch(ctx context.Context, flags ...string) error {
	git := a.git
	git.Bounds = a.host.Bounds()
	args := append([]string{"apply", "--cached", "--whitespace=nowarn", "--binary"}, flags...)
	c := a.snap.OnStaged(append(args, a.req.Patch)...)
	c.Env = append(c.Env, a.host.Limits.PatchEnv())
	return git.Run(ctx, c)
}

// already reports whether the work tree has the patch: it can be taken back.
func (a *applying) already(ctx context.Context) bool {
	return a.snap.Staged != "" && a.patch(ctx, "--reverse", "--check") == nil
}

// save copies the files as they are, before git reads them: what changes in
// between is found when it is about to be replaced.
func (a *applying) save(paths []string) error {
	for _, p := range paths {
		if a.req.CheckOnly || !look(a.change.tree, p).there() {
			continue
		}
		err := a.change.before.MkdirAll(filepath.Dir(p), 0o700)
		if err == nil {
			err = copyNode(a.change.tree, p, a.change.before, p)
		}
		if err != nil {
			return fault.Wrap(fault.Internal, err, "save %s before the patch", p)
		}
	}
	return nil
}

// open copies the index, and reads those of the files into it that the patch is about.
func (a *applying) open(ctx context.Context, paths []string) error {
	repo, err := gittree.Open(ctx, a.git, a.req.Top)
	if errors.Is(err, gittree.ErrNoRepo) || err == nil && repo.Top != a.req.Top {
		return fault.New(fault.Conflict, "%s is no longer a git work tree", a.req.Top)
	}
	if err != nil {
		return err
	}
	if a.snap, err = gittree.Copy(ctx, a.git, repo, a.change.staging()); err != nil {
		return err
	}
	known, err := a.entries()
	if err != nil {
		return err
	}
	gone := a.obsolete(paths, known)
	var there, assumed, sparse []string
	for _, p := range paths {
		if known[p].Mode == gitindex.ModeGitlink {
			continue // a patch may make a directory with files of a submodule's
		}
		if !look(a.change.tree, p).there() {
			gone = append(gone, p)
			continue
		}
		there = append(there, p)
		if known[p].Assumed {
			assumed = append(assumed, p)
		}
		if known[p].SkipWorktree {
			sparse = append(sparse, p)
		}
	}
	for _, step := range []struct {
		flags []string
		paths []string
	}{
		{[]string{"--no-assume-unchanged"}, assumed},
		{[]string{"--no-skip-worktree"}, sparse},
		{[]string{"--force-remove"}, gone},
		{[]string{"--add", "--remove", "--replace"}, there},
	} {
		if err := a.update(ctx, step.flags, step.paths); err != nil {
			return err
		}
	}
	return nil
}

// obsolete are the index's entries that cannot be beside paths: those above
// and below them. If they were files, they would be in the patch's way already.
func (a *applying) obsolete(paths []string, known map[string]gitindex.Entry) []string {
	said := make(map[string]bool, len(paths))
	for _, p := range paths {
		said[p] = true
	}
	var gone []string
	for _, dir := range parents(paths)[1:] {
		if _, ok := known[dir]; ok && !said[dir] {
			gone = append(gone, dir)
		}
	}
	for p := range known {
		for dir := path.Dir(p); dir != "." && !said[p]; dir = path.Dir(dir) {
			if said[dir] {
				gone = append(gone, p)
				break
			}
		}
	}
	return gone
}

func (a *applying) update(ctx context.Context, flags, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	c := a.snap.OnStaged(append(append([]string{"update-index"}, flags...), "-z", "--stdin")...)
	c.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	return a.git.Run(ctx, c)
}

// entries reads the copy of the index.
func (a *applying) entries() (map[string]gitindex.Entry, error) {
	x, err := gittree.ReadIndex(a.snap.Staged, a.snap.Format)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]gitindex.Entry, len(x.Entries))
	for _, e := range x.Entries {
		entries[e.Path] = e
	}
	return entries, nil
}

// compare finds what the patch has changed, which must be what it was said to.
func (a *applying) compare(paths []string, before, after map[string]gitindex.Entry) error {
	said := make(map[string]bool, len(paths))
	for _, p := range paths {
		said[p] = true
	}
	changed := map[string]bool{}
	for _, side := range []map[string]gitindex.Entry{before, after} {
		for p := range side {
			was, now := before[p], after[p]
			if (isBlob(was) || isBlob(now)) && (was.OID != now.OID || was.Mode != now.Mode) {
				changed[p] = true
			}
		}
	}
	a.change.paths = slices.Sorted(maps.Keys(changed))
	for _, p := range a.change.paths {
		if !said[p] {
			return fault.New(fault.Internal, "the patch changes %s, which is not in its list of files", p)
		}
		if isBlob(before[p]) != look(a.change.tree, p).there() {
			return fault.New(fault.Conflict, "%s changed while it was read", filepath.Join(a.req.Top, p)).WithHint("try again")
		}
	}
	return nil
}

// isBlob reports whether an entry of an index is there and is no submodule's.
func isBlob(e gitindex.Entry) bool { return e.Mode != 0 && e.Mode != gitindex.ModeGitlink }
