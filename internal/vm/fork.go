package vm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
)

// maxForks bounds how many VMs one fork makes.
const maxForks = 32

// ForkRequest asks for copies of a VM. Nil and empty mean the default.
type ForkRequest struct {
	Name  *string // of the copy; of several with a number behind it
	Count int
	From  string // the snapshot whose disk they get; empty: the VM's own
	// WithFiles has them get the files that banger places, as other VMs do.
	WithFiles bool
	// DiskOnly has a running VM paused while its disk is copied.
	DiskOnly bool
	Start    bool
	Wait     Wait
}

// CheckFork returns what Fork would refuse of a request at once.
func (s *Service) CheckFork(ctx context.Context, ref string, req ForkRequest) (VM, error) {
	f, err := s.newForking(ctx, ref, req, operation.Discard{})
	if err != nil {
		return VM{}, err
	}
	return f.of, nil
}

// Fork makes VMs with a copy of the disk of a VM, and all that it is but its identity: its
// name, addresses, keys, token and machine id. Published ports stay with it. Without a
// snapshot the VM must be stopped, or its disk is copied while it stands still. Cancelled,
// or failing before a machine runs, it leaves nothing; a guest that comes up badly is kept.
func (s *Service) Fork(ctx context.Context, ref string, req ForkRequest, p operation.Progress) ([]VM, error) {
	f, err := s.newForking(ctx, ref, req, p)
	if err != nil {
		return nil, err
	}
	defer f.release()
	if err := operation.RunSteps(ctx, p, f.steps()); err != nil {
		return nil, err
	}
	f.release()
	var errs []error
	if req.Start {
		for _, c := range f.made {
			if err := s.await(ctx, c.v, c.w, 0, req.Wait, p); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), operation.ErrShutdown) {
		for _, c := range f.made {
			errs = append(errs, c.abandon(ctx))
		}
	}
	vms := make([]VM, 0, len(f.made))
	for _, c := range f.made {
		v, err := s.byID(ctx, c.v.ID)
		if err == nil {
			vms = append(vms, v)
		}
		errs = append(errs, err)
	}
	return vms, errors.Join(errs...)
}

// forking is one Fork under way.
type forking struct {
	s      *Service
	req    ForkRequest
	p      operation.Progress
	of     VM
	from   snapshot.Snapshot // zero: its own disk
	free   func()            // of the verb on it
	kernel Kernel
	made   []*creation
}

func (s *Service) newForking(ctx context.Context, ref string, req ForkRequest, p operation.Progress) (*forking, error) {
	f := &forking{s: s, req: req, p: p}
	if req.Count < 1 || req.Count > maxForks {
		return nil, fault.New(fault.Invalid, "a count of %d is not valid", req.Count).WithHint("1 to %d", maxForks)
	}
	var err error
	if f.of, err = s.Get(ctx, ref); err != nil {
		return nil, err
	}
	if err := f.source(ctx); err != nil {
		return nil, err
	}
	names, err := f.names(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f.made = append(f.made, &creation{s: s, req: CreateRequest{Name: &name}, p: p, v: f.copyOf(name)})
	}
	return f, nil
}

// source finds what is copied.
func (f *forking) source(ctx context.Context) error {
	if f.req.From == "" {
		return stillEnough(f.of, f.req.DiskOnly)
	}
	_, one, err := f.s.Snapshot(ctx, f.of.ID, f.req.From)
	if err != nil {
		return err
	}
	f.from = one
	return usable(one)
}

// names are those of the copies, which nobody has.
func (f *forking) names(ctx context.Context) ([]string, error) {
	if f.req.Name != nil && f.req.Count == 1 {
		if err := ValidateName(*f.req.Name); err != nil {
			return nil, err
		}
		return []string{*f.req.Name}, f.s.checkFree(ctx, *f.req.Name)
	}
	base := f.of.Name + "-fork"
	if f.req.Name != nil {
		base = *f.req.Name
	}
	all, err := f.s.deps.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, v := range all {
		taken[v.Name] = true
	}
	var names []string
	for n := 1; len(names) < f.req.Count; n++ {
		name := base + "-" + strconv.Itoa(n)
		if err := ValidateName(name); err != nil {
			return nil, err
		}
		if !taken[name] {
			names = append(names, name)
		}
	}
	return names, nil
}

// copyOf is the record of a copy: all that the VM is but what makes it this one.
func (f *forking) copyOf(name string) VM {
	v := f.of
	v.ID, v.Name, v.Index = ids.New(), name, 0
	v.State, v.Provisional, v.Protected = Stopped, true, false
	v.StartID, v.HostBootID, v.BootTimeline, v.NoConsole = "", "", BootTimeline{}, false
	v.ExitReason, v.ExitMessage, v.ExitHint = "", "", nil
	v.CreatedAt, v.StartedAt, v.StoppedAt = f.s.now(), time.Time{}, time.Time{}
	v.Labels, v.Env, v.Publish = maps.Clone(v.Labels), slices.Clone(v.Env), nil
	if f.from.ID != "" {
		v.DiskBytes, v.ResetPending = f.from.DiskBytes, f.from.ResetPending
	}
	switch {
	case f.req.WithFiles:
		v.Files = FilesPlaced
	case v.Files == FilesPlaced:
		v.Files = FilesEmptied
	}
	return v
}

func (f *forking) steps() []operation.Step {
	steps := []operation.Step{
		{Name: "check", Do: f.check},
		{Name: "reserve", Do: f.reserve, Undo: f.each((*creation).unreserve)},
		{Name: "copy", Do: f.copyDisks, Undo: f.each((*creation).removeDisk)},
	}
	if f.req.Start {
		steps = append(steps, operation.Step{Name: "start", Do: f.first((*creation).start), Undo: f.each((*creation).unstart)})
	}
	return append(steps, operation.Step{Do: f.first((*creation).commit)})
}

// first does one thing with each copy, until it fails.
func (f *forking) first(do func(*creation, context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, c := range f.made {
			if err := do(c, ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// each does one thing with all copies, and stops at none that fails.
func (f *forking) each(do func(*creation, context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var errs []error
		for _, c := range f.made {
			errs = append(errs, do(c, ctx))
		}
		return errors.Join(errs...)
	}
}

// check looks at the host, and holds the VM.
func (f *forking) check(ctx context.Context) error {
	if err := f.s.deps.Preflight(ctx); err != nil {
		return err
	}
	of, free, err := f.s.claimed(ctx, f.of.ID, "fork")
	if err != nil {
		return err
	}
	f.of, f.free = of, free
	if _, err := f.s.deps.Images.ByID(ctx, of.ImageID); err != nil {
		return err
	}
	if f.kernel, err = f.s.deps.Kernels.Of(ctx, of.ID, of.Kernel); err != nil {
		return err
	}
	return f.source(ctx)
}

func (f *forking) reserve(ctx context.Context) (err error) {
	for _, c := range f.made {
		if c.v.Index, err = f.s.freeIndex(ctx, c.v.ID); err != nil {
			return err
		}
		if err = c.reserve(ctx); err != nil {
			return err
		}
	}
	return nil
}

// copyDisks makes the directories of the copies. The VM is held no longer.
func (f *forking) copyDisks(ctx context.Context) error {
	of := f.of
	if f.from.ID != "" {
		of.State = Stopped // whatever it does, its snapshot stands still
	}
	err := f.s.whileStill(ctx, of, f.p, func(ctx context.Context) error {
		f.p.Stage("copy")
		for _, c := range f.made {
			if err := f.copyDisk(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		f.releaseSource()
	}
	return err
}

func (f *forking) copyDisk(ctx context.Context, c *creation) error {
	if err := f.s.deps.Snapshots.Clone(ctx, f.of.ID, f.from.ID, c.v.ID, f.p); err != nil {
		return err
	}
	if err := f.copyWorkspace(ctx, c); err != nil {
		return err
	}
	if err := f.s.deps.Kernels.Keep(ctx, c.v.ID, f.kernel); err != nil {
		return err
	}
	if _, err := f.s.deps.Identities.Ensure(ctx, c.v.ID); err != nil {
		return err
	}
	return f.s.deps.Names.Named(ctx, c.v.ID, c.v.Name)
}

// copyWorkspace has a copy know what is known of the workspace on its disk.
func (f *forking) copyWorkspace(ctx context.Context, c *creation) error {
	if f.s.deps.Workspaces == nil {
		return nil
	}
	if f.from.ID == "" {
		return f.s.deps.Workspaces.Copy(ctx, f.of, c.v.ID)
	}
	return f.s.deps.Workspaces.Load(ctx, c.v.ID, f.s.deps.Snapshots.Workspace(f.of.ID, f.from.ID))
}

func (f *forking) releaseSource() {
	if f.free != nil {
		f.free()
		f.free = nil
	}
}

func (f *forking) release() {
	f.releaseSource()
	for _, c := range f.made {
		c.release()
	}
}
