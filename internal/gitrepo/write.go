package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/workspace"
)

// diffArgs make one diff of all that git keeps, for `git apply`.
func diffArgs(renames string) []string {
	return []string{"diff-tree", "-r", renames, "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"}
}

// Diff implements workspace.Git. A path that no patch may have is a fault.
func (g *Git) Diff(ctx context.Context, vault, from, to string) ([]workspace.File, error) {
	git, err := g.alone(vault)
	if err != nil {
		return nil, err
	}
	base, err := resolve(ctx, git, from)
	if err != nil {
		return nil, err
	}
	how, err := renames(ctx, git, "", base, to)
	if err != nil {
		return nil, unknownBase(err, from)
	}
	out, err := git.Output(ctx, gittree.Cmd{Args: append(diffArgs(how), "-z", "--raw", "--numstat", base, to)})
	if err != nil {
		return nil, err
	}
	return parseDiff(gittree.Split(out))
}

// parseDiff reads the output of diff-tree -z --raw --numstat: first all files
// with their status, then all with their numbers, in the same order.
func parseDiff(items []string) ([]workspace.File, error) {
	var files []workspace.File
	i := 0
	next := func() (string, error) {
		if i == len(items) {
			return "", errors.New("git diff-tree: the output ends early")
		}
		i++
		return items[i-1], nil
	}
	for i < len(items) && strings.HasPrefix(items[i], ":") {
		meta := strings.Fields(items[i])
		i++
		path, err := next()
		if err != nil {
			return nil, err
		}
		f := workspace.File{Path: path, Status: statusName(meta[len(meta)-1])}
		if f.Status == "renamed" || f.Status == "copied" {
			f.From = path
			if f.Path, err = next(); err != nil {
				return nil, err
			}
		}
		for _, p := range []string{f.Path, f.From} {
			if err := checkTreePath(p); p != "" && err != nil {
				return nil, err
			}
		}
		files = append(files, f)
	}
	for n := range files {
		numbers, err := next()
		if err != nil {
			return nil, err
		}
		parts := strings.SplitN(numbers, "\t", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("git diff-tree: %q are no numbers", numbers)
		}
		if parts[2] == "" { // a rename: both paths follow
			i += 2
		}
		files[n].Binary = parts[0] == "-"
		files[n].Insertions, _ = strconv.ParseInt(parts[0], 10, 64)
		files[n].Deletions, _ = strconv.ParseInt(parts[1], 10, 64)
	}
	return files, nil
}

func statusName(letter string) string {
	switch letter[:1] {
	case "A":
		return "added"
	case "D":
		return "deleted"
	case "R":
		return "renamed"
	case "C":
		return "copied"
	case "T":
		return "type_changed"
	default:
		return "modified"
	}
}

// Write implements workspace.Git.
func (g *Git) Write(ctx context.Context, req workspace.WriteRequest) (res workspace.WriteResult, err error) {
	git, err := g.alone(req.Vault)
	if err != nil {
		return res, err
	}
	named := req.Base
	if req.Base, err = resolve(ctx, git, named); err != nil {
		return res, err
	}
	w := &writer{git: git, req: req, res: workspace.WriteResult{Base: req.Base}}
	out, err := os.OpenFile(req.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return res, err
	}
	switch req.Format {
	case workspace.Mbox:
		err = w.mbox(ctx, out)
	case workspace.Bundle:
		err = w.bundle(ctx, out)
	default:
		err = w.diff(ctx, out, req.Base, req.Tree)
	}
	if err == nil {
		w.res.Bytes, err = out.Seek(0, io.SeekEnd)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return res, errors.Join(unknownBase(err, named), os.Remove(req.File))
	}
	return w.res, nil
}

// writer writes one export.
type writer struct {
	git gittree.Git
	req workspace.WriteRequest
	res workspace.WriteResult
}

func (w *writer) diff(ctx context.Context, out io.Writer, from, to string) error {
	how, err := renames(ctx, w.git, "", from, to)
	if err != nil {
		return err
	}
	return w.git.Run(ctx, gittree.Cmd{Stdout: out, Args: append(diffArgs(how), "--binary", "-p", from, to)})
}

func (w *writer) note(format string, args ...any) {
	w.res.Notes = append(w.res.Notes, fmt.Sprintf(format, args...))
}

// tip is a commit with all the work, and those that lead to it from the base.
// What is not committed becomes one more commit. When the base is not among
// the ancestors of the guest's HEAD, all the work is one commit.
func (w *writer) tip(ctx context.Context) (tip string, err error) {
	base, err := w.line(ctx, nil, "rev-parse", "-q", "--verify", w.req.Base+"^{commit}")
	if err != nil {
		return "", fault.New(fault.Invalid, "format %s needs a commit as its base, and %q is none", w.req.Format, w.req.Base).
			WithHint("--base-commit COMMIT, or --format patch")
	}
	w.req.Base, w.res.Base = base, base
	parent := w.req.Head
	if parent != "" {
		err := w.git.Run(ctx, gittree.Cmd{Args: []string{"merge-base", "--is-ancestor", base, parent}})
		if failure, ok := asGitError(err); ok && failure.Status == 1 {
			w.note("HEAD in the guest does not descend from %.12s: all changes are one commit", base)
			parent = base
		} else if err != nil {
			return "", err
		}
	} else {
		w.note("without the guest's commits all changes are one commit")
		parent = base
	}
	tree, err := w.line(ctx, nil, "rev-parse", parent+"^{tree}")
	if err != nil || tree == w.req.Tree {
		return parent, err
	}
	who := []string{
		"GIT_AUTHOR_NAME=banger", "GIT_AUTHOR_EMAIL=banger@localhost", "GIT_COMMITTER_NAME=banger", "GIT_COMMITTER_EMAIL=banger@localhost",
	}
	message := "Uncommitted changes in the workspace"
	if parent == base {
		message = "Changes in the workspace"
	}
	return w.line(ctx, who, "commit-tree", "-p", parent, "-m", message, w.req.Tree)
}

func (w *writer) line(ctx context.Context, env []string, args ...string) (string, error) {
	out, err := w.git.Output(ctx, gittree.Cmd{Env: env, Args: args})
	return strings.TrimSpace(string(out)), err
}

func (w *writer) bundle(ctx context.Context, out *os.File) (err error) {
	tip, err := w.tip(ctx)
	if err != nil {
		return err
	}
	if tip == w.req.Base {
		return fault.New(fault.Conflict, "nothing has changed since %.12s, and a bundle cannot be empty", tip)
	}
	ref := w.req.Branch
	if ref == "" {
		ref = "refs/heads/workspace"
	}
	if err := w.git.Run(ctx, gittree.Cmd{Args: []string{"update-ref", ref, tip}}); err != nil {
		return err
	}
	defer func() { // a guest's name must not stand for anything in the vault
		err = errors.Join(err, w.git.Run(context.WithoutCancel(ctx), gittree.Cmd{Args: []string{"update-ref", "-d", ref}}))
	}()
	return w.git.Run(ctx, gittree.Cmd{Stdout: out, Args: []string{"bundle", "create", "-q", "-", ref, "^" + w.req.Base}})
}
