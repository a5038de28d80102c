package gitrepo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// verify applies an export away from everything, and compares what comes of it
// with the tree that is said to be in it. Whatever a guest has made git write,
// no other change leaves than the one that is shown. No file is checked out, so
// that its time goes by what has changed.
func (w *writer) verify(ctx context.Context, file string) (err error) {
	q, err := newQuarantine(w.git, w.req.Vault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.remove()) }()
	if w.req.Format == workspace.Bundle {
		return w.verifyBundle(ctx, q, file)
	}
	if _, err := q.line(ctx, "read-tree", w.req.Base); err != nil {
		return err
	}
	patches := []string{file}
	if w.req.Format == workspace.Mbox {
		if patches, err = q.unpackMails(ctx, file); err != nil {
			return w.mismatch(err)
		}
	} else if info, err := os.Stat(file); err != nil || info.Size() == 0 { // git takes that for no patch
		patches = nil
	}
	if err := q.applyAll(ctx, patches, w.limits); err != nil {
		return w.mismatch(err)
	}
	tree, err := q.line(ctx, "write-tree")
	if err != nil {
		return w.mismatch(err)
	}
	return w.compare(ctx, q, tree)
}

// compare refuses a tree that is not the one that is exported. Trees that are
// written otherwise, and mean the same, have other names.
func (w *writer) compare(ctx context.Context, q *quarantine, tree string) error {
	if tree == w.req.Tree {
		return nil
	}
	err := q.git.Run(ctx, gittree.Cmd{Env: q.env, Args: []string{"diff-tree", "-r", "--quiet", tree, w.req.Tree}})
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
	hint := "--format bundle"
	if w.req.Format == workspace.Bundle {
		hint = "--format patch"
	}
	return fault.New(fault.Invalid, "the %s is refused: applied, it is another change than the one in the guest (%s)", w.req.Format, hostgit.Printable(failure.Error())).
		WithHint("%s", hint)
}

// applyAll applies patches, one after the other, to the index: many by one git,
// and by one git each where git remembers what an earlier one did to a link.
func (q *quarantine) applyAll(ctx context.Context, patches []string, limits hostgit.Limits) error {
	for some := range slices.Chunk(patches, 100) {
		err := q.apply(ctx, some, limits)
		if _, ok := hostgit.AsError(err); ok && len(some) > 1 { // all or none
			for one := range slices.Chunk(some, 1) {
				if err = q.apply(ctx, one, limits); err != nil {
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

func (q *quarantine) apply(ctx context.Context, patches []string, limits hostgit.Limits) error {
	return q.git.Run(ctx, gittree.Cmd{
		Env:  append([]string{limits.PatchEnv()}, q.env...),
		Args: append([]string{"apply", "--cached", "--binary", "--whitespace=nowarn", "--"}, patches...),
	})
}

// unpackMails makes of each mail the patch that git am makes of it.
func (q *quarantine) unpackMails(ctx context.Context, file string) ([]string, error) {
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		return nil, err
	}
	dir := filepath.Join(q.dir, "mails")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := q.line(ctx, "mailsplit", "--keep-cr", "-d8", "-o"+dir, "--", file); err != nil {
		return nil, err
	}
	mails, err := os.ReadDir(dir) // in order
	if err != nil {
		return nil, err
	}
	patches := make([]string, 0, len(mails))
	for _, mail := range mails {
		path := filepath.Join(dir, mail.Name())
		if err := q.mailinfo(ctx, path); err != nil {
			return nil, err
		}
		patches = append(patches, path+".patch")
	}
	return patches, nil
}

// mailinfo writes the patch of a mail beside it, and removes the mail.
func (q *quarantine) mailinfo(ctx context.Context, path string) error {
	mail, err := os.Open(path)
	if err != nil {
		return err
	}
	err = q.git.Run(ctx, gittree.Cmd{
		Env: q.env, Stdin: mail, Args: []string{"mailinfo", "--encoding=UTF-8", path + ".message", path + ".patch"},
	})
	return errors.Join(err, mail.Close(), os.Remove(path))
}

// verifyBundle looks for the one branch in a bundle: what it names is its tree.
func (w *writer) verifyBundle(ctx context.Context, q *quarantine, file string) error {
	if _, err := q.line(ctx, "bundle", "verify", "-q", file); err != nil {
		return w.mismatch(err)
	}
	heads, err := q.line(ctx, "bundle", "list-heads", file)
	if err != nil {
		return w.mismatch(err)
	}
	tip, _, _ := strings.Cut(heads, " ")
	if !objectName(tip) || strings.Contains(heads, "\n") {
		return fault.New(fault.Internal, "the bundle has other branches than the one: %s", hostgit.Printable(heads))
	}
	return w.compare(ctx, q, tip+"^{tree}")
}
