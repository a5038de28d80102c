package vm

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/snapshot"
)

// OrdinaryReadyTimeout bounds a boot. Under software emulation an image with
// systemd takes a good while.
const OrdinaryReadyTimeout = 3 * time.Minute

// Defaults are what an omitted value of a CreateRequest means. An empty Kernel
// means the image's, and then the default kernel. A number beyond what the host
// has is cut to what it has.
type Defaults struct {
	Image       string
	Kernel      string
	VCPU        int
	MemoryBytes int64
	DiskBytes   int64
	Egress      string    // the policy, as text; empty: all
	Ports       PortsMode // empty: all
	// ImageUser has commands in a new VM run as its image's user, not as root.
	ImageUser bool
	// Console has a new VM have a console log on each driver.
	Console bool
}

// Deps is all that a Service needs. Ports may be nil (then wait values port:N
// are refused), HostPorts (then nobody looks whether a published port is taken), and Workspaces (then there are none); Now and Log may be nil; everything else must be set.
type Deps struct {
	Store      Store
	Machines   Machines
	Disks      Disks
	Identities Identities
	Names      Names
	Images     Images
	Kernels    Kernels
	Host       Host
	Ports      PortWaiter
	HostPorts  HostPorts
	Workspaces Workspaces
	// Templates may be nil; then every start boots a kernel.
	Templates Templates
	// Suspensions may be nil; then no VM is suspended.
	Suspensions Suspensions
	// Commits may be nil; then no VM becomes an image.
	Commits Commits
	// Snapshots may be nil; then there are none. So may Quiet; then no guest is asked.
	Snapshots snapshot.Store
	Diffs     Diffs
	Quiet     Quiet
	// EgressRules are those of new VMs.
	EgressRules EgressRules
	// Files, if set, reads the files that a guest gets when it starts. Notes
	// say which could not be had.
	Files func(ctx context.Context) (files []File, notes []string)
	// Preflight runs the checks that matter before a create or a start.
	Preflight func(ctx context.Context) error
	// Defaults are those of the request that ctx belongs to.
	Defaults func(ctx context.Context) Defaults
	// UID is the user's, of which the addresses of VMs are made.
	UID int
	// Resolvers, if set, are the upstream DNS servers of guests, "ADDRESS:PORT",
	// for the request that ctx belongs to. None: those of the host.
	Resolvers func(ctx context.Context) []string
	// ReadyTimeout, if set, bounds the time from a VMM's start to the guest's ready, for
	// the request that ctx belongs to. Otherwise it is OrdinaryReadyTimeout.
	ReadyTimeout func(ctx context.Context) time.Duration
	// Events, if set, hears of every change of a VM's record.
	Events Events
	Now    func() time.Time
	Log    *slog.Logger
}

// Service is the life of VMs. Its methods are safe for concurrent use. A VM is
// named by its name, or by a unique prefix of its id. One verb at a time acts
// on a VM; another gets a Busy fault.
type Service struct {
	deps     Deps
	log      *slog.Logger
	nameless func() string // makes names

	ctx      context.Context // of the watches; ended by Close
	cancel   context.CancelFunc
	watchers sync.WaitGroup

	retimed chan struct{} // has a value when an egress rule may end at another time

	recording sync.Mutex // held from the write of a record until Events has heard of it

	mu    sync.Mutex
	live  map[string]*watch // by VM id
	verbs map[string]*verb  // by VM id
}

// New returns a Service. Call Reconcile before anything else, and Close at the end.
func New(deps Deps) *Service {
	if deps.ReadyTimeout == nil {
		deps.ReadyTimeout = func(context.Context) time.Duration { return OrdinaryReadyTimeout }
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{
		deps: deps, log: deps.Log, nameless: randomName, ctx: ctx, cancel: cancel,
		retimed: make(chan struct{}, 1),
		live:    map[string]*watch{}, verbs: map[string]*verb{},
	}
}

// Runtime returns what the monitor last said of a living VM, by id. False when
// no monitor is known.
func (s *Service) Runtime(id string) (Status, bool) {
	s.mu.Lock()
	w := s.live[id]
	s.mu.Unlock()
	if w == nil {
		return Status{}, false
	}
	st, _ := w.snapshot()
	return st, st.StartID != ""
}

// Close ends the watching of machines, which live on. No method may be called after it.
func (s *Service) Close() {
	s.cancel()
	s.watchers.Wait()
}

func (s *Service) now() time.Time { return s.deps.Now().UTC() }
