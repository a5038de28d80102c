package workspace

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// measureLimit bounds one look at a workspace.
	measureLimit = 2 * time.Minute
	// settleLimit bounds the last look, which a stop waits for.
	settleLimit = 15 * time.Second
)

// Look looks at a running VM's workspace as it is from now on. A VM that is not
// running, or has no workspace, is left alone.
func (s *Service) Look(ctx context.Context, v vm.VM) error {
	if v.State != vm.Running {
		return nil
	}
	return s.look(ctx, v, measureLimit, false, nil)
}

// look waits for its turn, calls begin if that is set, and measures.
func (s *Service) look(ctx context.Context, v vm.VM, limit time.Duration, final bool, begin func()) error {
	ctx, cancel := limited(ctx, limit)
	defer cancel()
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return err
	}
	defer release()
	if begin != nil {
		begin()
	}
	w, found, err := s.Find(ctx, v.ID)
	if err != nil || !found {
		return err
	}
	_, err = s.measure(ctx, w, v, final)
	if errors.Is(err, fault.NotFound) { // it was moved or removed in the guest: what was seen there says nothing
		_, updateErr := s.deps.Store.Update(context.WithoutCancel(ctx), v.ID, func(w *Workspace) error {
			w.Work.MeasuredAt = time.Time{}
			return nil
		})
		err = errors.Join(err, updateErr)
	}
	return err
}

// Stopping looks at the workspace of a VM that is about to be stopped, so that
// afterwards it is known whether there is work on its disk. What was found at
// an earlier stop, which did not come off, counts no more: without a look,
// because the stop is not to be gentle or the guest does not answer, nothing is
// known afterwards.
func (s *Service) Stopping(ctx context.Context, v vm.VM, gently bool) {
	if gently && v.State == vm.Running {
		err := s.look(ctx, v, settleLimit, true, nil)
		if err == nil {
			return
		}
		s.deps.Log.Warn("cannot check the workspace before the stop", "vm", v.ID, "error", err)
	}
	_, err := s.deps.Store.Update(context.WithoutCancel(ctx), v.ID, func(w *Workspace) error {
		w.Work.Final = false
		return nil
	})
	if err != nil && !errors.Is(err, fault.NotFound) {
		s.deps.Log.Warn("an earlier check of the workspace still counts", "vm", v.ID, "error", err)
	}
}

// measure compares the guest's work tree with what was sent or exported, and
// records the result. The caller has the VM's turn.
func (s *Service) measure(ctx context.Context, w Workspace, v vm.VM, final bool) (Workspace, error) {
	got, err := s.collect(ctx, w, v, false)
	if err != nil {
		return w, err
	}
	return s.record(ctx, w, v, got, final)
}

func (s *Service) record(ctx context.Context, w Workspace, v vm.VM, got Collected, final bool) (Workspace, error) {
	files, err := s.changed(ctx, w, got.Tree)
	if err != nil {
		return w, err
	}
	work := Work{
		Files: files, Tree: got.Tree, Elsewhere: got.Elsewhere, MeasuredAt: s.now(), StartID: v.StartID, Final: final,
	}
	now, err := s.deps.Store.Update(ctx, v.ID, func(now *Workspace) error {
		if now.Vault == w.Vault {
			now.Work = work
		}
		return nil
	})
	if err != nil {
		return now, err
	}
	s.trim(ctx, now)
	if !w.Work.same(now.Work) {
		s.tell(ctx, now, HasChanged)
	}
	return now, nil
}

// trim removes what came from the guest and nothing needs any more. It is done
// again at the next look.
func (s *Service) trim(ctx context.Context, w Workspace) {
	vault, err := s.deps.Vaults.Vault(w.VMID, w.Vault)
	if err == nil {
		err = s.deps.Git.Trim(ctx, vault, w.needed())
	}
	if err != nil {
		s.deps.Log.Warn("vault not trimmed", "vm", w.VMID, "error", err)
	}
}

// changed returns how many files of a tree no export has.
func (s *Service) changed(ctx context.Context, w Workspace, tree string) (int, error) {
	if tree == w.since() {
		return 0, nil
	}
	vault, err := s.deps.Vaults.Vault(w.VMID, w.Vault)
	if err != nil {
		return 0, err
	}
	return s.deps.Git.Count(ctx, vault, w.since(), tree)
}

func sum(files []File) Changes {
	c := Changes{Files: len(files)}
	for _, f := range files {
		c.Insertions += f.Insertions
		c.Deletions += f.Deletions
	}
	return c
}

// collect reads the guest's work tree into the vault.
func (s *Service) collect(ctx context.Context, w Workspace, v vm.VM, history bool) (got Collected, err error) {
	ctx, cancel := limited(ctx, transferLimit)
	defer cancel()
	vault, err := s.deps.Vaults.Vault(v.ID, w.Vault)
	if err != nil {
		return Collected{}, err
	}
	stream, err := s.deps.Guests.Workspace(ctx, v.ID, GuestRequest{Path: w.Path, Format: w.Format, Base: w.BaseTree})
	if err != nil {
		return Collected{}, err
	}
	defer closing(stream, &err)
	return s.deps.Git.Collect(ctx, stream, CollectRequest{
		Vault: vault, Base: w.BaseTree, History: history, Known: append(w.needed(), w.HeadCommit),
		MaxBytes: v.DiskBytes,
	})
}
