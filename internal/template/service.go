package template

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// MaxBytes is what all stored machines may take on disk; the least recently used go first.
	MaxBytes = 2 << 30
	// maxWanted bounds the machines that wait for being made.
	maxWanted = 8
	// triedAgain is how long after a failure the same machine is made again.
	triedAgain = time.Hour
)

// Store keeps saved machines.
type Store interface {
	// Hold has the machine with this key ready for being started from. NotFound when there is
	// none; any other error means that it is of no use.
	Hold(ctx context.Context, key string) (Manifest, error)
	// Stage makes an empty directory for the making of one; Discard removes it.
	Stage(ctx context.Context, key string) (dir string, err error)
	Discard(ctx context.Context, key string) error
	// Commit takes over what was saved in the directory, in one step.
	Commit(ctx context.Context, key string, about About, at time.Time) error
	// Remove removes one. None is no error.
	Remove(ctx context.Context, key string) error
	// List returns all, the latest used first.
	List(ctx context.Context) ([]Stored, error)
	// Sweep removes what earlier daemons left half-made.
	Sweep(ctx context.Context) error
}

// Deps are what the service stands on.
type Deps struct {
	Store Store
	// Parts are those of the machine that a start would run. Unavailable when its driver saves
	// none.
	Parts func(ctx context.Context, spec vm.Spec, k vm.Kernel) (Parts, error)
	// Save boots the machine of spec in dir to where it waits for an identity, and leaves it
	// saved there. When it fails or ctx ends nothing runs.
	Save func(ctx context.Context, dir string, spec vm.Spec) error
	// Blank makes the empty files of the disks that a machine is only saved with, in dir.
	Blank func(dir string, disks []vm.Disk) ([]vm.Disk, error)
	// Quiet waits until a machine can be made without being in anybody's way, and returns an error when
	// the host has too little memory for one of this size.
	Quiet func(ctx context.Context, memoryBytes int64) error
	// On reports whether starts of this request use templates.
	On  func(ctx context.Context) bool
	Now func() time.Time
	Log *slog.Logger
}

// wanted is a machine that is to be saved.
type wanted struct {
	key   string
	about About
	spec  vm.Spec
}

// Service decides what is saved, and what starts go on from. It is safe for concurrent use.
type Service struct {
	deps Deps
	log  *slog.Logger

	queue chan wanted
	end   context.CancelFunc
	work  sync.WaitGroup

	turn chan struct{} // held while one is made

	mu     sync.Mutex
	known  map[string]bool      // wanted, or being made
	failed map[string]time.Time // when making it failed
}

// New makes a Service, which makes nothing before Run.
func New(deps Deps) *Service {
	return &Service{
		deps: deps, log: deps.Log, queue: make(chan wanted, maxWanted), end: func() {},
		turn: make(chan struct{}, 1), known: map[string]bool{}, failed: map[string]time.Time{},
	}
}

// Sweep removes what an earlier daemon left half-made.
func (s *Service) Sweep(ctx context.Context) error { return s.deps.Store.Sweep(ctx) }

// Run makes what starts found missing, one at a time, until Close. The end of ctx does not matter.
func (s *Service) Run(ctx context.Context) {
	ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() {
		for {
			select {
			case w := <-s.queue:
				s.fulfil(ctx, w)
			case <-ctx.Done():
				return
			}
		}
	})
}

// Close ends what is being made, and waits for its end.
func (s *Service) Close() {
	s.end()
	s.work.Wait()
}

// For implements vm.Templates.
func (s *Service) For(ctx context.Context, spec vm.Spec, k vm.Kernel) *vm.Template {
	if !s.deps.On(ctx) {
		return nil
	}
	parts, err := s.deps.Parts(ctx, spec, k)
	if err != nil {
		s.log.Debug("the VM boots cold", "vm", spec.VMID, "err", err)
		return nil
	}
	key := parts.Key()
	m, err := s.deps.Store.Hold(ctx, key)
	if err == nil {
		return &vm.Template{Key: key, Shape: m.Shape, TSCKHz: m.TSCKHz}
	}
	if !errors.Is(err, fault.NotFound) {
		s.log.Warn("a template is of no use; the VM boots cold", "vm", spec.VMID, "template", key, "err", err)
		if err := s.deps.Store.Remove(ctx, key); err != nil {
			s.log.Warn("remove a template", "template", key, "err", err)
		}
	}
	s.want(wanted{key: key, about: aboutOf(spec, k), spec: spec})
	return nil
}

// Failed implements vm.Templates: what could not be started from is made anew.
func (s *Service) Failed(ctx context.Context, key string) {
	if err := s.deps.Store.Remove(ctx, key); err != nil {
		s.log.Warn("remove a template", "template", key, "err", err)
	}
}

func aboutOf(spec vm.Spec, k vm.Kernel) About {
	return About{
		Driver: spec.Driver, Kernel: k.Name, VCPU: spec.VCPU, MemoryBytes: spec.MemoryBytes,
		Disks: len(spec.Disks), Network: spec.Network != nil,
	}
}

// want queues a machine, unless it is there already, failed of late, or there are too many.
func (s *Service) want(w wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.failed[w.key]; s.known[w.key] || ok && s.deps.Now().Sub(at) < triedAgain {
		return
	}
	select {
	case s.queue <- w:
		s.known[w.key] = true
	default: // a later start asks again
	}
}

// fulfil makes one machine in the background.
func (s *Service) fulfil(ctx context.Context, w wanted) {
	began := s.deps.Now()
	err := s.deps.Quiet(ctx, w.spec.MemoryBytes)
	if err == nil {
		err = s.save(ctx, w)
	}
	s.mu.Lock()
	delete(s.known, w.key)
	if err != nil && ctx.Err() == nil {
		s.failed[w.key] = s.deps.Now()
	}
	s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.Warn("no template was made", "template", w.key, "driver", w.about.Driver, "kernel", w.about.Kernel, "err", err)
	default:
		s.log.Info("a template was made", "template", w.key, "driver", w.about.Driver, "kernel", w.about.Kernel,
			"vcpu", w.about.VCPU, "memory_bytes", w.about.MemoryBytes, "took", s.deps.Now().Sub(began).String())
	}
}

// save makes one machine and stores it.
func (s *Service) save(ctx context.Context, w wanted) (err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := s.deps.Store.Hold(ctx, w.key); err == nil {
		return nil // made meanwhile
	}
	dir, err := s.deps.Store.Stage(ctx, w.key)
	defer func() { err = errors.Join(err, s.deps.Store.Discard(context.WithoutCancel(ctx), w.key)) }()
	if err != nil {
		return err
	}
	spec := anonymous(w.key, w.spec)
	if spec.Disks, err = s.deps.Blank(dir, spec.Disks); err != nil {
		return err
	}
	if err := s.deps.Save(ctx, dir, spec); err != nil {
		return err
	}
	if err := s.deps.Store.Commit(ctx, w.key, w.about, s.deps.Now()); err != nil {
		return err
	}
	return s.evict(ctx, w.key)
}

// anonymous is the machine of a start without anything that is one VM's own.
func anonymous(key string, from vm.Spec) vm.Spec {
	spec := vm.Spec{
		Format: vm.SpecFormat, VMID: "template-" + key, Name: "template", StartID: key,
		Driver: from.Driver, VMM: from.VMM, VCPU: from.VCPU, Nested: from.Nested, MemoryBytes: from.MemoryBytes,
		Kernel: from.Kernel, Initramfs: from.Initramfs, NoConsole: from.NoConsole, CmdlineExtra: from.CmdlineExtra,
		ReadyTimeoutMillis: from.ReadyTimeoutMillis, Saves: true,
	}
	for _, d := range from.Disks {
		spec.Disks = append(spec.Disks, vm.Disk{Serial: d.Serial, ReadOnly: d.ReadOnly})
	}
	if n := from.Network; n != nil {
		spec.Network = &vm.Network{MAC: n.MAC, MTU: n.MTU}
	}
	return spec
}

// evict keeps what is stored below MaxBytes, and the one with this key.
func (s *Service) evict(ctx context.Context, keep string) error {
	all, err := s.deps.Store.List(ctx)
	if err != nil {
		return err
	}
	var sum int64
	for _, t := range all {
		if sum += t.Bytes; sum > MaxBytes && t.Key != keep {
			if err := s.deps.Store.Remove(ctx, t.Key); err != nil {
				return err
			}
		}
	}
	return nil
}
