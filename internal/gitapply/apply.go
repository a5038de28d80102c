// Package gitapply applies a patch to a work tree of the user's: all of it or
// nothing, even if a process is killed in between.
//
// Git applies the patch to a copy of the index (stage.go), or names what is in
// its way (conflicts.go), and checks the new files out beside the work tree
// (checkout.go). A journal of the files as they were and as they will be
// (journal.go) is on the disk before the first of them is replaced (swap.go).
// An interrupted change is undone from it (undo.go), at the latest when the daemon
// starts (recover.go).
package gitapply

import (
	"context"
	"errors"
	"os"

	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// Applier implements workspace.Applier. It is safe for concurrent use.
type Applier struct {
	host  *hostgit.Host
	dir   string
	turn  chan struct{} // held by the one who changes a work tree
	flush func(dir string) error
	step  func() // called before each thing that is done to a work tree
}

var _ workspace.Applier = (*Applier)(nil)

// New returns an Applier with its journals in dir, which no other Applier uses.
// flush writes the filesystem of a directory to the disk, as SyncFilesystem does.
// Call Recover before Apply.
func New(host *hostgit.Host, dir string, flush func(dir string) error) *Applier {
	return &Applier{host: host, dir: dir, turn: make(chan struct{}, 1), flush: flush, step: func() {}}
}

// Apply implements workspace.Applier. The new files are made beside the work tree,
// from a copy of its index, and take their places when all of them are there.
func (a *Applier) Apply(ctx context.Context, req workspace.ApplyRequest) (res workspace.ApplyResult, err error) {
	git, err := a.host.User()
	if err != nil {
		return res, err
	}
	if info, err := os.Stat(req.Patch); err != nil || info.Size() == 0 {
		return res, err // nothing to do
	}
	release, err := a.take(ctx)
	if err != nil {
		return res, err
	}
	defer release()
	if err := a.undoLeft(req.Top); err != nil {
		return res, err
	}
	c, err := a.newChange(req.Top)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, c.discard()) }()
	p := &applying{host: a.host, git: git, req: req, change: c}
	return p.apply(ctx)
}

// apply applies the patch to the work tree, or says why it does not apply.
func (a *applying) apply(ctx context.Context) (res workspace.ApplyResult, err error) {
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
