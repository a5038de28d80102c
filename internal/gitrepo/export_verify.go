package gitrepo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// verify applies an export away from everything, and compares what comes of it
// with the tree that is said to be in it. Whatever a guest has made git write,
// no other change leaves than the one that is shown. No file is checked out, so
// that its time goes by what has changed.
func (w *writer) verify(ctx context.Context, file string) (err error) {
	q, err := gitvault.NewQuarantine(w.git, w.req.Vault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Remove()) }()
	if w.req.Format == workspace.Bundle {
		return w.verifyBundle(ctx, q, file)
	}
	if _, err := q.Line(ctx, "read-tree", w.req.Base); err != nil {
		return err
	}
	patches := []string{file}
	if w.req.Format == workspace.Mbox {
		if patches, err = unpackMails(ctx, q, file); err != nil {
			return w.mismatch(err)
		}
	} else if info, err := os.Stat(file); err != nil || info.Size() == 0 { // git takes that for no patch
		patches = nil
	}
	if err := applyAll(ctx, q, patches, w.limits); err != nil {
		return w.mismatch(err)
	}
	tree, err := q.Line(ctx, "write-tree")
	if err != nil {
		return w.mismatch(err)
	}
	return w.compare(ctx, q, tree)
}

// compare refuses a tree that is not the one that is exported. Trees that are
// written otherwise, and mean the same, have other names.
func (w *writer) compare(ctx context.Context, q *gitvault.Quarantine, tree string) error {
	if tree == w.req.Tree {
		return nil
	}
	err := q.Git.Run(ctx, gittree.Cmd{Env: q.Env, Args: []string{"diff-tree", "-r", "--quiet", tree, w.req.Tree}})
	if err != nil {
		return w.mismatch(err)
	}
	return nil
}

// mismatch is for an export that is not what it is said to be.
func (w *writer) mismatch(err error) error {
	failure, ok := hostgit.AsError(err)
	if !ok {
		return err
	}
	if bound, ok := errors.AsType[*fault.Error](hostgit.Excess(err)); ok {
		return bound
	}
	other := act.FormatBundle
	if w.req.Format == workspace.Bundle {
		other = act.FormatPatch
	}
	return fault.New(fault.Invalid, "banger refuses the %s: applied, it makes a different change from the one in the guest (%s)", w.req.Format, hostgit.Printable(failure.Error())).
		Try(act.WorkspaceExport.On("", other))
}

// applyAll applies patches, one after the other, to the index: many by one git,
// and by one git each where git remembers what an earlier one did to a link.
func applyAll(ctx context.Context, q *gitvault.Quarantine, patches []string, limits hostgit.Limits) error {
	for some := range slices.Chunk(patches, 100) {
		err := apply(ctx, q, some, limits)
		if _, ok := hostgit.AsError(err); ok && len(some) > 1 { // all or none
			for one := range slices.Chunk(some, 1) {
				if err = apply(ctx, q, one, limits); err != nil {
					break
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, q *gitvault.Quarantine, patches []string, limits hostgit.Limits) error {
	return q.Git.Run(ctx, gittree.Cmd{
		Env:  append([]string{limits.PatchEnv()}, q.Env...),
		Args: append([]string{"apply", "--cached", "--binary", "--whitespace=nowarn", "--"}, patches...),
	})
}

// unpackMails makes of each mail the patch that git am makes of it.
func unpackMails(ctx context.Context, q *gitvault.Quarantine, file string) ([]string, error) {
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		return nil, err
	}
	dir := filepath.Join(q.Dir, "mails")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := q.Line(ctx, "mailsplit", "--keep-cr", "-d8", "-o"+dir, "--", file); err != nil {
		return nil, err
	}
	mails, err := os.ReadDir(dir) // in order
	if err != nil {
		return nil, err
	}
	patches := make([]string, 0, len(mails))
	for _, mail := range mails {
		path := filepath.Join(dir, mail.Name())
		if err := mailinfo(ctx, q, path); err != nil {
			return nil, err
		}
		patches = append(patches, path+".patch")
	}
	return patches, nil
}

// mailinfo writes the patch of a mail beside it, and removes the mail.
func mailinfo(ctx context.Context, q *gitvault.Quarantine, path string) error {
	mail, err := os.Open(path)
	if err != nil {
		return err
	}
	err = q.Git.Run(ctx, gittree.Cmd{
		Env: q.Env, Stdin: mail, Args: []string{"mailinfo", "--encoding=UTF-8", path + ".message", path + ".patch"},
	})
	return errors.Join(err, mail.Close(), os.Remove(path))
}

// verifyBundle looks for the one branch in a bundle: what it names is its tree.
func (w *writer) verifyBundle(ctx context.Context, q *gitvault.Quarantine, file string) error {
	if _, err := q.Line(ctx, "bundle", "verify", "-q", file); err != nil {
		return w.mismatch(err)
	}
	heads, err := q.Line(ctx, "bundle", "list-heads", file)
	if err != nil {
		return w.mismatch(err)
	}
	tip, _, _ := strings.Cut(heads, " ")
	if !gitvault.IsObject(tip) || strings.Contains(heads, "\n") {
		return fault.New(fault.Internal, "the bundle has more than the one branch: %s", hostgit.Printable(heads))
	}
	return w.compare(ctx, q, tip+"^{tree}")
}
