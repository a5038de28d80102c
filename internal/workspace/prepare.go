package workspace

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// transferLimit bounds one transfer with a guest: one that sends nothing, or
// never ends, must not hold the workspace for ever.
const transferLimit = 2 * time.Hour

// limited ends what takes longer than limit with a fault.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fault.New(fault.Unavailable, "the guest did not finish with its workspace within %s", limit))
}

// PrepareRequest asks for a work tree in a guest. Empty values are defaults.
type PrepareRequest struct {
	VM     string
	Path   string // absolute, in a work tree on the host
	Mode   Mode
	To     string // absolute, in the guest; DefaultPath
	Branch string // what the guest's HEAD is to be on
	// Force replaces what is there, with all the work that no export has.
	Force bool
}

// Prepared is a workspace that has just been put into a guest.
type Prepared struct {
	Workspace
	VM    vm.VM
	Files int64
	Bytes int64
	Notes []string
}

// Prepare puts a work tree into a running guest. Work there that no export has
// is refused without Force. What fails leaves everything as it was.
func (s *Service) Prepare(ctx context.Context, req PrepareRequest, p operation.Progress) (Prepared, error) {
	if req.To == "" {
		req.To = DefaultPath
	}
	if err := checkGuestPath(req.To); err != nil {
		return Prepared{}, err
	}
	v, err := s.running(ctx, req.VM)
	if err != nil {
		return Prepared{}, err
	}
	release, err := s.turn(ctx, v.ID)
	if err != nil {
		return Prepared{}, err
	}
	defer release()
	replace, err := s.mayReplace(ctx, v, req, p)
	if err != nil {
		return Prepared{}, err
	}
	p.Stage("read")
	name := ids.New()
	vault, err := s.deps.Vaults.Vault(v.ID, name)
	if err != nil {
		return Prepared{}, err
	}
	parcel, err := s.pack(ctx, PackRequest{Path: req.Path, Mode: req.Mode, Branch: req.Branch, Vault: vault})
	if err != nil {
		return Prepared{}, err
	}
	sent, err := s.deliver(ctx, v, req, name, replace, parcel, p)
	if closeErr := parcel.Close(); closeErr != nil {
		s.deps.Log.Warn("scratch files not removed", "vm", v.ID, "error", closeErr)
	}
	if tidyErr := s.tidy(ctx, v.ID); tidyErr != nil {
		s.deps.Log.Warn("vaults not swept", "vm", v.ID, "error", tidyErr)
	}
	return sent, err
}

// readLimit bounds the reading of the user's work tree: a filter of the user's
// that never answers must not hold the workspace for ever.
const readLimit = 10 * time.Minute

// checkLimit bounds a look at it.
const checkLimit = time.Minute

func (s *Service) pack(ctx context.Context, req PackRequest) (Parcel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, fault.New(fault.Unavailable, "git did not finish reading %s within %s", req.Path, readLimit).
		WithHint("does git status finish there? a filter in its configuration may be waiting for something"))
	defer cancel()
	return s.deps.Git.Pack(ctx, req)
}

// Check says beforehand what Prepare will refuse of a work tree on the host.
func (s *Service) Check(ctx context.Context, req PrepareRequest) error {
	if req.To == "" {
		req.To = DefaultPath
	}
	if err := checkGuestPath(req.To); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, fault.New(fault.Unavailable, "git did not finish checking %s within %s", req.Path, checkLimit))
	defer cancel()
	return s.deps.Git.Check(ctx, PackRequest{Path: req.Path, Mode: req.Mode, Branch: req.Branch})
}

// deliver sends a parcel and records it.
func (s *Service) deliver(ctx context.Context, v vm.VM, req PrepareRequest, name string, replace bool, parcel Parcel, p operation.Progress) (Prepared, error) {
	c := parcel.Contents()
	p.Stage("send")
	p.Detail("%d files", c.Files)
	if err := s.send(ctx, v, req.To, replace, parcel, p); err != nil {
		return Prepared{}, hintForce(err, v)
	}
	now, notes := s.now(), c.Notes
	if former, found, err := s.Find(ctx, v.ID); err == nil && found && former.Path != req.To {
		notes = append(notes, former.Path+" is no longer the workspace: banger does not track changes there")
	}
	w := Workspace{
		VMID: v.ID, Vault: name, Source: c.Source, Path: req.To, Mode: req.Mode, Format: c.Format, Branch: c.Branch,
		HeadCommit: c.HeadCommit, BaseTree: c.BaseTree, PreparedAt: now,
		Work: Work{Tree: c.BaseTree, MeasuredAt: now, StartID: v.StartID},
	}
	// The guest has it, so it is recorded, whoever is still waiting.
	if err := s.deps.Store.Put(context.WithoutCancel(ctx), w); err != nil {
		return Prepared{}, err
	}
	s.tell(ctx, w, WasPrepared)
	return Prepared{Workspace: w, VM: v, Files: c.Files, Bytes: c.Bytes, Notes: notes}, nil
}

func (s *Service) send(ctx context.Context, v vm.VM, to string, replace bool, parcel Parcel, p operation.Progress) (err error) {
	ctx, cancel := limited(ctx, transferLimit)
	defer cancel()
	c := parcel.Contents()
	stream, err := s.deps.Guests.Workspace(ctx, v.ID, GuestRequest{
		Put: true, Path: to, Replace: replace, Bytes: c.Bytes, Files: c.Files, Format: c.Format,
	})
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	return parcel.Send(ctx, stream, p)
}

// hintForce tells what to do about a directory that is not empty.
func hintForce(err error, v vm.VM) error {
	if errors.Is(err, fault.Conflict) {
		return fault.Advise(err, "to replace it: %s; or choose another place in %s", act.WorkspacePrepare.On(v.Name, act.Force), v.Name)
	}
	return err
}

// mayReplace decides whether the guest may replace what is at the place: what
// it was sent before may go if an export has all that was done to it.
func (s *Service) mayReplace(ctx context.Context, v vm.VM, req PrepareRequest, p operation.Progress) (bool, error) {
	if req.Force {
		return true, nil
	}
	w, found, err := s.Find(ctx, v.ID)
	if err != nil || !found {
		return false, err
	}
	p.Stage("check")
	w, err = s.measure(ctx, w, v, false)
	if errors.Is(err, fault.NotFound) { // it was removed in the guest
		return w.Path == req.To, nil
	}
	if err != nil {
		return false, err
	}
	if w.Work.Any() {
		return false, fault.New(fault.Conflict, "the workspace %s in %s has unexported work: %s", w.Path, v.Name, w.Work.describe()).
			WithHint("%s, or %s to discard it", act.WorkspaceExport.On(v.Name), act.WorkspacePrepare.On(v.Name, act.Force))
	}
	return w.Path == req.To, nil
}
