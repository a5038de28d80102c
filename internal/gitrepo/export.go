package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// Write implements workspace.Git.
func (g *Git) Write(ctx context.Context, req workspace.WriteRequest) (res workspace.WriteResult, err error) {
	git, err := g.host.Vault(req.Vault)
	if err != nil {
		return res, err
	}
	named := req.Base
	if req.Base, err = resolve(ctx, git, named); err != nil {
		return res, err
	}
	w := &writer{git: git, limits: g.host.Limits, req: req, res: workspace.WriteResult{Base: req.Base}}
	if w.req.Tree, err = relink(ctx, git, req); err != nil {
		return res, hostgit.Excess(err)
	}
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
		err = w.diff(ctx, out, w.req.Base, w.req.Tree)
	}
	if err == nil {
		w.res.Bytes, err = out.Seek(0, io.SeekEnd)
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = errors.Join(w.verify(ctx, req.File), w.attention(ctx))
	}
	if err != nil {
		return res, errors.Join(unknownBase(hostgit.Excess(err), named), os.Remove(req.File))
	}
	return w.res, nil
}

// writer writes one export.
type writer struct {
	git    gittree.Git
	limits hostgit.Limits
	req    workspace.WriteRequest
	res    workspace.WriteResult
}

func (w *writer) diff(ctx context.Context, out io.Writer, from, to string) error {
	how, err := renames(ctx, w.git, "", from, to)
	if err != nil {
		return err
	}
	git, bounds := w.git, *w.git.Bounds
	bounds.File = w.limits.PatchBytes
	git.Bounds = &bounds
	return git.Run(ctx, gittree.Cmd{Stdout: out, Args: append(diffArgs(how), "--binary", "-p", from, to)})
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
		return "", fault.New(fault.Invalid, "format %s needs a commit as its base, and %q is not one", w.req.Format, w.req.Base).
			Try(act.WorkspaceExport.On("", act.BaseCommit), act.WorkspaceExport.On("", act.FormatPatch))
	}
	w.req.Base, w.res.Base = base, base
	parent := w.req.Head
	if parent != "" {
		err := w.git.Run(ctx, gittree.Cmd{Args: []string{"merge-base", "--is-ancestor", base, parent}})
		if failure, ok := hostgit.AsError(err); ok && failure.Status == 1 {
			w.note("HEAD in the guest does not descend from %.12s, so all changes become one commit", base)
			parent = base
		} else if err != nil {
			return "", err
		}
	} else {
		w.note("without the guest's commits, all changes become one commit")
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
