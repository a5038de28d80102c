package workspace

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// Deps is all that a Service needs. Now and Log may be nil.
type Deps struct {
	Store   Store
	VMs     VMs
	Git     Git
	Applier Applier
	Guests  Guests
	Vaults  Vaults
	Events  Events // may be nil
	Now     func() time.Time
	Log     *slog.Logger
}

// Service is the life of workspaces. Its methods are safe for concurrent use.
// One transfer at a time goes on with a VM; others wait.
type Service struct {
	deps   Deps
	ctx    context.Context // of the measurements that go on by themselves
	cancel context.CancelFunc
	flying sync.WaitGroup

	mu      sync.Mutex
	turns   map[string]chan struct{} // by VM id
	flights map[string]*flight       // measurements that have not begun, by VM id
}

// New returns a Service. Call Sweep before anything else, and Close at the end.
func New(deps Deps) *Service {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{deps: deps, ctx: ctx, cancel: cancel, turns: map[string]chan struct{}{}, flights: map[string]*flight{}}
}

// Close ends the measurements under way. No method may be called after it.
func (s *Service) Close() {
	s.cancel()
	s.flying.Wait()
}

// Sweep removes the vaults that no workspace needs any more. An error with one
// VM's is logged: only space is lost.
func (s *Service) Sweep(ctx context.Context) error {
	all, err := s.deps.Store.List(ctx)
	for _, w := range all {
		if err := s.deps.Vaults.Keep(w.VMID, w.Vault); err != nil {
			s.deps.Log.Warn("vaults not swept", "vm", w.VMID, "error", err)
		}
	}
	return err
}

func (s *Service) now() time.Time { return s.deps.Now().UTC() }

// tell tells of a workspace that was stored. The caller has the VM's turn.
func (s *Service) tell(ctx context.Context, w Workspace, what Happening) {
	if s.deps.Events == nil {
		return
	}
	v, err := s.deps.VMs.Get(context.WithoutCancel(ctx), w.VMID)
	if err != nil { // its VM is gone, and the workspace with it
		return
	}
	s.deps.Events.WorkspaceChanged(v, w, what)
}

// turn waits until no other transfer goes on with a VM.
func (s *Service) turn(ctx context.Context, vmID string) (release func(), err error) {
	s.mu.Lock()
	turn := s.turns[vmID]
	if turn == nil {
		turn = make(chan struct{}, 1)
		s.turns[vmID] = turn
	}
	s.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Find returns a VM's workspace as it was when it was last looked at. False
// when it has none.
func (s *Service) Find(ctx context.Context, vmID string) (Workspace, bool, error) {
	w, err := s.deps.Store.Get(ctx, vmID)
	if errors.Is(err, fault.NotFound) {
		return Workspace{}, false, nil
	}
	return w, err == nil, err
}

// All returns the workspaces of all VMs, by VM id.
func (s *Service) All(ctx context.Context) (map[string]Workspace, error) {
	list, err := s.deps.Store.List(ctx)
	all := make(map[string]Workspace, len(list))
	for _, w := range list {
		all[w.VMID] = w
	}
	return all, err
}

// Know says what is known of a VM's workspace. Of a running VM that is what the
// last look found, which the caller has just had made; of one that was stopped,
// what was found while it was being stopped. Others went on after the last look.
func Know(w Workspace, v vm.VM) Knowledge {
	// Without a start its disk is a copy of one of which that was known.
	last := w.Work.Final && (v.StartID == "" || v.State == vm.Stopping || v.ExitReason == vm.ReasonStopped || v.ExitReason == vm.ReasonForced)
	switch {
	case w.Work.StartID != v.StartID || w.Work.MeasuredAt.IsZero():
		return Unknown
	case !v.State.Alive() && !last:
		return Unknown
	case w.Work.Any():
		return Changed
	case v.State == vm.Running || last:
		return Clean
	default:
		return Unknown
	}
}

// running finds a VM whose guest can be worked with.
func (s *Service) running(ctx context.Context, name string) (vm.VM, error) {
	v, err := s.deps.VMs.Get(ctx, name)
	if err != nil {
		return vm.VM{}, err
	}
	return v, v.Reachable(vm.Running)
}

// closing closes a stream and keeps the first error.
func closing(c io.Closer, err *error) {
	if closeErr := c.Close(); *err == nil {
		*err = closeErr
	}
}
