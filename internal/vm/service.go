package vm

import (
	"context"
	"log/slog"
	"time"

	"github.com/bangervm/banger/internal/operation"
)

// Defaults are what an omitted value of a CreateRequest means. An empty Kernel
// means the image's, and then the default kernel.
type Defaults struct {
	Image       string
	Kernel      string
	VCPU        int
	MemoryBytes int64
	DiskBytes   int64
}

// Deps is all that a Service needs. Ports may be nil (then wait values port:N
// are refused); Now and Log may be nil; everything else must be set.
type Deps struct {
	Store      Store
	Machines   Machines
	Disks      Disks
	Identities Identities
	Images     Images
	Kernels    Kernels
	Host       Host
	Ports      Ports
	// Preflight runs the checks that matter before a create or a start.
	Preflight func(ctx context.Context) error
	Defaults  Defaults
	// ReadyTimeout bounds the time from a VMM's start to the guest's ready.
	// Zero means 3 minutes.
	ReadyTimeout time.Duration
	Now          func() time.Time
	Log          *slog.Logger
}

// CreateRequest asks for a VM. Nil and empty mean the default.
type CreateRequest struct {
	Name        *string
	Image       *string
	Kernel      *string
	VCPU        *int
	MemoryBytes *int64
	DiskBytes   *int64
	Init        InitMode
	Env         []string
	Labels      map[string]string
	Start       bool
	Wait        Wait
}

// Change is what Set changes. Nil leaves a value; a label with an empty value
// is removed.
type Change struct {
	Name        *string
	VCPU        *int
	MemoryBytes *int64
	DiskBytes   *int64
	Labels      map[string]string
}

// Filter narrows a list: a VM must have each label; an empty value means any.
type Filter struct {
	Labels map[string]string
}

// Service is the life of VMs. Its methods are safe for concurrent use. A VM is
// named by its name, or by a unique prefix of its id.
type Service struct{ deps Deps }

// New returns a Service. Call Reconcile before anything else, and Close at the end.
func New(deps Deps) *Service { return &Service{deps: deps} }

// Create makes a VM, and starts it if asked. Cancelled, or failing before the
// machine runs, it leaves nothing. A guest that comes up badly is kept, failed,
// for its log to be read.
func (s *Service) Create(ctx context.Context, req CreateRequest, p operation.Progress) (VM, error) {
	panic("not yet")
}

// Start starts a stopped VM and waits. One that runs is only waited for.
func (s *Service) Start(ctx context.Context, name string, wait Wait, p operation.Progress) (VM, error) {
	panic("not yet")
}

// Stop asks the guest to go down, ends it hard after timeout, and waits for
// the end. A VM that does not run is left alone.
func (s *Service) Stop(ctx context.Context, name string, timeout time.Duration, p operation.Progress) (VM, error) {
	panic("not yet")
}

// Restart stops a VM if it runs, and starts it.
func (s *Service) Restart(ctx context.Context, name string, timeout time.Duration, wait Wait, p operation.Progress) (VM, error) {
	panic("not yet")
}

// Pause stops the CPUs of a running VM.
func (s *Service) Pause(ctx context.Context, name string) (VM, error) { panic("not yet") }

// Resume lets a paused VM run on.
func (s *Service) Resume(ctx context.Context, name string) (VM, error) { panic("not yet") }

// Kill sends a signal (name with or without SIG, or number; empty: KILL) to
// the VMM process of a living VM.
func (s *Service) Kill(ctx context.Context, name, signal string) (VM, error) { panic("not yet") }

// Delete removes a VM with its disk. A living one is refused without force.
func (s *Service) Delete(ctx context.Context, name string, force bool, p operation.Progress) error {
	panic("not yet")
}

// Set changes a stopped VM. A disk only grows.
func (s *Service) Set(ctx context.Context, name string, change Change) (VM, error) { panic("not yet") }

// Reset takes the system of a VM back to its image, keeping /root, /home and
// the volumes. It happens at the next start; a living VM is restarted for it.
func (s *Service) Reset(ctx context.Context, name string, p operation.Progress) (VM, error) {
	panic("not yet")
}

// List returns the VMs that pass the filter, oldest first.
func (s *Service) List(ctx context.Context, f Filter) ([]VM, error) { panic("not yet") }

// Get returns one VM: Invalid when an id prefix is ambiguous, else NotFound.
func (s *Service) Get(ctx context.Context, name string) (VM, error) { panic("not yet") }

// Runtime returns what the monitor last said of a living VM, by id. False when
// no monitor is known.
func (s *Service) Runtime(id string) (Status, bool) { panic("not yet") }

// Reconcile brings the records in line with what lives, when the daemon
// starts: living machines are adopted, the end of the others is recorded, VMs
// caught half-made or half-removed are removed.
func (s *Service) Reconcile(ctx context.Context) error { panic("not yet") }

// Close ends the watching of machines, which live on. No method may be called after it.
func (s *Service) Close() { panic("not yet") }
