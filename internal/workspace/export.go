package workspace

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// ExportRequest asks for the work done in a guest. Empty values are defaults.
type ExportRequest struct {
	VM string
	// BaseCommit is what the export is against: a revision, or a tree's name.
	// Empty: what the user's work tree has, as it was sent or applied since (for
	// a mailbox and a bundle: the commit that was sent), or the guest's HEAD when
	// nothing was.
	BaseCommit string
	Format     Format
	// Path is the work tree in the guest; empty: the workspace's.
	Path string
	// Check whether the patch applies to the work tree that was sent; Apply
	// it there, as one step or not at all.
	Check, Apply bool
	// Tree is the guest's work tree as an earlier export had it: if it is another one now, the
	// fault is Conflict. Empty: whatever it is.
	Tree string
}

// Export collects everything since the base, committed in the guest or not.
// The guest's index and work tree stay as they are. The export counts when it
// is accepted, or applied.
func (s *Service) Export(ctx context.Context, req ExportRequest, p operation.Progress) (Export, error) {
	v, err := s.running(ctx, req.VM)
	if err != nil {
		return Export{}, err
	}
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return Export{}, err
	}
	defer release()
	e, err := s.open(ctx, v, req)
	if err != nil {
		return Export{}, err
	}
	p.Stage("collect")
	history := req.BaseCommit != "" || req.Format != Patch
	if e.got, err = s.collect(ctx, e.w, v, history); err != nil {
		return Export{}, e.adviseCollect(err, v)
	}
	if e.found {
		if e.w, err = s.record(ctx, e.w, v, e.got, false); err != nil {
			return Export{}, err
		}
	}
	if err := e.unchanged(v); err != nil {
		return Export{}, err
	}
	p.Stage("write")
	if err := s.write(ctx, e); err != nil {
		return Export{}, err
	}
	if req.Check || req.Apply {
		p.Stage("apply")
		err = s.apply(ctx, e)
	}
	return e.out, err
}

// unchanged refuses what is not the tree that was asked for: whoever read that has not read this.
func (e *exporting) unchanged(v vm.VM) error {
	if e.req.Tree == "" || e.req.Tree == e.got.Tree {
		return nil
	}
	return fault.New(fault.Conflict, "%s in %s has changed: it is tree %s, and no longer %s", e.w.Path, v.Name, e.got.Tree, e.req.Tree).
		WithHint("read the changes again: %s", act.WorkspaceExport.On(v.Name))
}

// adviseCollect tells what to do about a work tree that is not there.
func (e *exporting) adviseCollect(err error, v vm.VM) error {
	if !e.found && errors.Is(err, fault.Unavailable) {
		return fault.Advise(err, "to send one: %s; with git in the guest any repository can be exported", act.WorkspacePrepare.On(v.Name))
	}
	if errors.Is(err, fault.NotFound) {
		return fault.Advise(err, "if it was moved, move it back to %s: %s", e.w.Path, act.VMExec.On(v.Name))
	}
	return err
}

// exporting is one export under way.
type exporting struct {
	req   ExportRequest
	w     Workspace
	found bool // w is a workspace that was prepared
	got   Collected
	file  string
	out   Export
}

// open finds what is to be exported. A work tree that nobody prepared gets a
// vault for the time being.
func (s *Service) open(ctx context.Context, v vm.VM, req ExportRequest) (*exporting, error) {
	e := &exporting{req: req}
	w, found, err := s.Find(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	e.w, e.found = w, found && (req.Path == "" || req.Path == w.Path)
	if e.found {
		return e, nil
	}
	if req.Check || req.Apply {
		return nil, fault.New(fault.Conflict, "no workspace was prepared in %s, so there is no work tree to apply it to", v.Name).
			WithHint("export a patch, then run git apply: %s", act.WorkspaceExport.On(v.Name))
	}
	e.w = Workspace{VMID: v.ID, Vault: ids.New(), Path: req.Path}
	if e.w.Path == "" {
		e.w.Path = DefaultPath
	}
	return e, checkGuestPath(e.w.Path)
}

// base is what an export is against.
func (e *exporting) base() string {
	switch {
	case !e.found:
		return e.got.Head
	case e.req.Format != Patch && e.w.HeadCommit != "":
		return e.w.HeadCommit
	default:
		return e.w.applied()
	}
}

// resolve finds what the user means by the base.
func (s *Service) resolve(ctx context.Context, e *exporting, vault string) (string, error) {
	if e.req.BaseCommit == "" {
		return e.base(), nil
	}
	req := ResolveRequest{Revision: e.req.BaseCommit, Vault: vault, Head: e.got.Head, Branch: e.got.Branch}
	if e.found {
		req.Top = e.w.Source
	}
	return s.deps.Git.Resolve(ctx, req)
}

func (s *Service) write(ctx context.Context, e *exporting) error {
	vault, err := s.deps.Vaults.Vault(e.w.VMID, e.w.Vault)
	if err != nil {
		return err
	}
	base, err := s.resolve(ctx, e, vault)
	if err != nil {
		return err
	}
	if base == "" {
		return fault.New(fault.Conflict, "%s has no commit yet, and none was copied to it", e.w.Path).
			WithHint("name a base: %s", act.WorkspaceExport.On("", act.BaseCommit))
	}
	req := WriteRequest{
		Vault: vault, Base: base, Tree: e.got.Tree, Sent: e.w.BaseTree, Head: e.got.Head, Branch: e.got.Branch, Format: e.req.Format,
	}
	files, err := s.deps.Git.Diff(ctx, req)
	if err != nil {
		return err
	}
	id := ids.New()
	if req.File, err = s.deps.Vaults.Export(e.w.VMID, id); err != nil {
		return err
	}
	e.file = req.File
	res, err := s.deps.Git.Write(ctx, req)
	if err != nil {
		return err
	}
	e.out = Export{
		ID: id, BaseCommit: res.Base, Tree: e.got.Tree, Format: e.req.Format, Files: files, Changes: sum(files), Bytes: res.Bytes,
		Notes: append(res.Notes, e.got.Notes...),
	}
	e.out.Notes = append(e.out.Notes, e.got.Elsewhere.notes()...)
	if !e.found {
		return s.tidy(ctx, e.w.VMID)
	}
	offer := Offer{ID: id, Tree: e.got.Tree}
	if !e.w.covers(res.Base) {
		offer = Offer{}
		e.out.Notes = append(e.out.Notes, "this export has only what came after its base, so the work still counts as not exported")
	}
	e.w, err = s.deps.Store.Update(ctx, e.w.VMID, func(w *Workspace) error {
		w.Offered = offer
		return nil
	})
	return err
}

// covers reports whether an export against base has, with the exports before
// it, all that was done: it is what was sent or what was exported already, and
// not something that was made in the guest since.
func (w Workspace) covers(base string) bool {
	return base == w.BaseTree || base == w.HeadCommit || base == w.ExportedTree || base == w.AppliedTree
}

// tidy removes the vaults of a VM but the one that its record names.
func (s *Service) tidy(ctx context.Context, vmID string) error {
	w, _, err := s.Find(context.WithoutCancel(ctx), vmID)
	if err != nil {
		return err
	}
	return s.deps.Vaults.Keep(vmID, w.Vault)
}

func (s *Service) apply(ctx context.Context, e *exporting) error {
	if e.req.Format != Patch {
		return fault.New(fault.Invalid, "format %s cannot be applied to a work tree", e.req.Format).
			WithHint("export a patch: %s", act.WorkspaceExport.On("", act.FormatPatch))
	}
	res, err := s.deps.Applier.Apply(ctx, ApplyRequest{
		Top: e.w.Source, Patch: e.file, Files: e.out.Files, CheckOnly: !e.req.Apply,
	})
	if err != nil {
		return err
	}
	e.out.Checked, e.out.Conflicts, e.out.Already = true, res.Conflicts, res.Already
	if !e.req.Apply || len(res.Conflicts) > 0 {
		return nil
	}
	e.out.Applied = !res.Already
	return s.applied(context.WithoutCancel(ctx), e)
}
