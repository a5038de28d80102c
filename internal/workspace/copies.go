package workspace

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
)

// Save implements vm.WorkspaceCopies.
func (s *Service) Save(ctx context.Context, v vm.VM, dir string) (path string, work snapshot.Work, err error) {
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return "", "", err
	}
	defer release()
	w, found, err := s.Find(ctx, v.ID)
	if err != nil || !found {
		return "", "", err
	}
	w, work = asCopied(w, v)
	return w.Path, work, s.deps.Vaults.Save(w, dir)
}

// Copy implements vm.WorkspaceCopies.
func (s *Service) Copy(ctx context.Context, v vm.VM, to string) error {
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return err
	}
	defer release()
	w, found, err := s.Find(ctx, v.ID)
	if err != nil || !found {
		return err
	}
	w, _ = asCopied(w, v)
	if err := s.deps.Vaults.Copy(w, to); err != nil {
		return err
	}
	w.VMID = to
	return s.deps.Store.Put(ctx, w)
}

// asCopied is a workspace as a copy of the VM's disk has it.
func asCopied(w Workspace, v vm.VM) (Workspace, snapshot.Work) {
	known := Know(w, v)
	if v.State.Alive() && known == Clean { // it may have changed since the last look
		known = Unknown
	}
	w.Offered = Offer{} // its file is the VM's
	w.Work.StartID, w.Work.Final = "", known != Unknown
	return w, workOf(known)
}

func workOf(k Knowledge) snapshot.Work {
	switch k {
	case Clean:
		return snapshot.WorkClean
	case Changed:
		return snapshot.WorkChanged
	default:
		return snapshot.WorkUnknown
	}
}

// Load implements vm.WorkspaceCopies. What was exported and applied is outside of the VM,
// and so stays known when the VM goes back.
func (s *Service) Load(ctx context.Context, vmID, dir string) error {
	release, err := s.turn(ctx, vmID)
	if err != nil {
		return err
	}
	defer release()
	saved, found, err := s.deps.Vaults.Saved(dir)
	if err != nil {
		return err
	}
	now, has, err := s.Find(ctx, vmID)
	switch {
	case err != nil:
		return err
	case !found && !has:
		return nil
	case !found:
		return errors.Join(s.deps.Store.Delete(ctx, vmID), s.deps.Vaults.Keep(vmID, ""))
	}
	if err := s.deps.Vaults.Merge(dir, vmID, saved.Vault); err != nil {
		return err
	}
	saved.VMID = vmID
	if has && now.Vault == saved.Vault {
		since := saved.since()
		saved.ExportedTree, saved.ExportedAt, saved.AppliedTree = now.ExportedTree, now.ExportedAt, now.AppliedTree
		if saved.since() != since { // how much is not exported is to be counted anew
			saved.Work = Work{}
		}
	}
	if err := s.deps.Store.Put(ctx, saved); err != nil {
		return err
	}
	if err := s.deps.Vaults.Keep(vmID, saved.Vault); err != nil {
		s.deps.Log.Warn("vaults not swept", "vm", vmID, "error", err)
	}
	s.tell(ctx, saved, HasChanged)
	return nil
}

var _ vm.WorkspaceCopies = (*Service)(nil)
