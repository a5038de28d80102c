package workspace

import (
	"context"
	"io"
)

// applied records that the user's work tree has the export: what is exported
// next is against that.
func (s *Service) applied(ctx context.Context, e *exporting) error {
	_, err := s.deps.Store.Update(ctx, e.w.VMID, func(w *Workspace) error {
		if w.Vault == e.w.Vault {
			w.AppliedTree = e.out.Tree
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.accept(ctx, e.w.VMID, e.out.ID)
}

// OpenExport opens the file of a VM's last export; the caller closes it.
func (s *Service) OpenExport(ctx context.Context, name, id string) (io.ReadCloser, int64, error) {
	v, err := s.deps.VMs.Get(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return s.deps.Vaults.OpenExport(v.ID, id)
}

// Accept says that somebody has an export: what is in it can be lost no more.
// One of a work tree that was never prepared is none of the daemon's business.
func (s *Service) Accept(ctx context.Context, name, id string) error {
	v, err := s.deps.VMs.Get(ctx, name)
	if err != nil {
		return err
	}
	if _, found, err := s.Find(ctx, v.ID); err != nil || !found {
		return err
	}
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return err
	}
	defer release()
	return s.accept(ctx, v.ID, id)
}

func (s *Service) accept(ctx context.Context, vmID, id string) error {
	exported := false
	w, err := s.deps.Store.Update(ctx, vmID, func(w *Workspace) error {
		if w.Offered.ID != id {
			return nil // a later export has taken its place
		}
		exported = true
		w.ExportedTree, w.ExportedAt = w.Offered.Tree, s.now()
		w.Offered = Offer{}
		if w.Work.Tree == w.ExportedTree {
			w.Work.Files = 0
		}
		return nil
	})
	if err != nil {
		return err
	}
	if exported {
		defer func() { s.tell(ctx, w, WasExported) }()
	}
	if w.Work.Tree == w.since() {
		return nil
	}
	files, err := s.changed(ctx, w, w.Work.Tree)
	if err != nil {
		return err
	}
	now, err := s.deps.Store.Update(ctx, vmID, func(now *Workspace) error {
		if now.Work.Tree == w.Work.Tree {
			now.Work.Files = files
		}
		return nil
	})
	if err == nil {
		w = now
	}
	return err
}
