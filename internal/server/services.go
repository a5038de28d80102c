package server

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/creation"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// VMs is all that the API asks of VMs.
type VMs interface {
	VMReader
	Lifecycle
	Control
	Egress
	Ports
}

// VMReader reads what is known of VMs.
type VMReader interface {
	List(ctx context.Context, f vm.Filter) ([]vm.VM, error)
	Get(ctx context.Context, name string) (vm.VM, error)
	Runtime(id string) (vm.Status, bool)
	// WaitFor waits until a VM is as wanted, or ctx ends.
	WaitFor(ctx context.Context, name string, until vm.Until) (vm.VM, error)
}

// Lifecycle are the long verbs of a VM's life: each is an operation.
type Lifecycle interface {
	Start(ctx context.Context, name string, wait vm.Wait, p operation.Progress) (vm.VM, error)
	StartCold(ctx context.Context, name string, wait vm.Wait, p operation.Progress) (vm.VM, error)
	Suspend(ctx context.Context, name string, p operation.Progress) (vm.VM, error)
	Rescue(ctx context.Context, name string, wait vm.Wait, p operation.Progress) (vm.VM, error)
	Stop(ctx context.Context, name string, timeout time.Duration, p operation.Progress) (vm.VM, error)
	Restart(ctx context.Context, name string, timeout time.Duration, wait vm.Wait, p operation.Progress) (vm.VM, error)
	Delete(ctx context.Context, name string, how vm.Removal, p operation.Progress) error
	Reset(ctx context.Context, name string, discardWork bool, p operation.Progress) (vm.VM, error)
	// Commit makes an image of a VM that is not alive.
	Commit(ctx context.Context, name, imageName string, replace bool, p operation.Progress) (image.Image, error)
}

// Creations makes VMs, with what follows.
type Creations interface {
	// Check says what of a request Create would refuse, before there is an operation.
	Check(ctx context.Context, req creation.Request) error
	Create(ctx context.Context, req creation.Request, p operation.Progress) (creation.Created, error)
}

// Control are the short verbs of a VM's life.
type Control interface {
	Pause(ctx context.Context, name string) (vm.VM, error)
	Resume(ctx context.Context, name string) (vm.VM, error)
	Kill(ctx context.Context, name, signal string) (vm.VM, error)
	Set(ctx context.Context, name string, change vm.Change) (vm.VM, error)
}

// Guests reaches the agents in living guests, by VM id.
type Guests interface {
	Health(ctx context.Context, vmID string) (agentrpc.Health, error)
	// Processes are those of the guest, bounded and printable. NotFound: its agent is of a
	// build that does not tell.
	Processes(ctx context.Context, vmID string) (agentrpc.Processes, error)
	// Exec returns the upgraded stream of agentrpc.ExecProtocol.
	Exec(ctx context.Context, vmID string, req agentrpc.ExecRequest) (net.Conn, error)
	Dial(ctx context.Context, vmID string, port uint32) (net.Conn, error)
	// Channel tells where the agent answers on this host, and its token.
	Channel(ctx context.Context, vmID string) (api.Channel, error)
	// Answers returns nil when the VM's monitor answers, and soon what is wrong when
	// it does not.
	Answers(ctx context.Context, vmID string) error
	// SSH tells how an SSH client gets in. The VM need not be alive.
	SSH(ctx context.Context, vmID string) (api.SSHAccess, error)
	// AttachSession returns the upgraded stream of agentrpc.AttachProtocol to a session.
	AttachSession(ctx context.Context, vmID, sessionID string, req agentrpc.SessionAttach) (net.Conn, error)
}

// LogRequest says which part of a log is wanted.
type LogRequest struct {
	VMID string
	Tail int // lines from the end; negative: all
	// Follow goes on with what is printed until alive says no, or ctx ends.
	Follow bool
	Alive  func() bool
}

// Consoles reads the logs of VMs: what they print, and what they reached.
type Consoles interface {
	// Console returns the stream; it ends when the request is met or ctx ends. The
	// caller closes it. A VM that has printed nothing has an empty console.
	Console(ctx context.Context, req LogRequest) (io.ReadCloser, error)
	// EgressLog is the same for what VMs reached and were denied.
	EgressLog(ctx context.Context, req LogRequest) (io.ReadCloser, error)
}

// Egress changes what guests may reach.
type Egress interface {
	SetEgress(ctx context.Context, name, policy string) (vm.VM, error)
	AddEgress(ctx context.Context, name string, add vm.EgressAddition) (vm.VM, error)
	RemoveEgress(ctx context.Context, name string, rules []string) (vm.VM, error)
	// TestEgress says what the policy, with more rules before it, says to a probe.
	TestEgress(ctx context.Context, name string, probe egress.Probe, rules []string) (egress.Answer, error)
	// EgressRules are those of new VMs.
	EgressRules(ctx context.Context) ([]string, error)
	AddEgressRules(ctx context.Context, rules []string) ([]string, error)
	RemoveEgressRules(ctx context.Context, rules []string) ([]string, error)
}

// Ports are those of guests, on the host.
type Ports interface {
	Ports(ctx context.Context, name string) (vm.VM, vm.Ports, error)
	AddForward(ctx context.Context, name string, f vm.Forward) (vm.Forward, error)
	RemoveForward(ctx context.Context, name string, f vm.Forward) error
	Stats(ctx context.Context, v vm.VM) (vm.Stats, error)
}

// Resolver tells of the host's own resolver.
type Resolver interface {
	// Resolves reports whether a name of a VM leads to its address on this
	// host, for whoever asks. It takes a short time at most.
	Resolves(ctx context.Context, name string, addr netip.Addr) bool
}

// Images is the catalog of images.
type Images interface {
	Pull(ctx context.Context, req image.PullRequest, p operation.Progress) (image.Image, error)
	List(ctx context.Context) ([]image.Image, error)
	Get(ctx context.Context, name string) (image.Image, error)
	Delete(ctx context.Context, name string) error
	// Offers are what catalogs have for this host, and the problems that were met.
	Offers(ctx context.Context) ([]image.Offer, []error, error)
	// CheckCommit says what of a request a commit would refuse at once.
	CheckCommit(ctx context.Context, req image.CommitRequest) error
	// Save reads an image, to be written as an archive. The caller closes it.
	Save(ctx context.Context, name string) (image.Saved, error)
	Register(ctx context.Context, req image.RegisterRequest, p operation.Progress) (image.Image, error)
	Promote(ctx context.Context, name string, p operation.Progress) (image.Image, error)
	Verify(ctx context.Context, name string, p operation.Progress) (image.Image, error)
	Repair(ctx context.Context, name string, p operation.Progress) (image.Repaired, error)
	Tag(ctx context.Context, name, more string, replace bool) (image.Image, error)
	// Usable is what a look at the image's file tells: nil, or what is wrong.
	Usable(m image.Manifest) error
	// HasKernel is what a look at the kernel tells that the image has for its own.
	HasKernel(m image.Manifest) error
	// Bootable returns nil if this host runs the image's programs.
	Bootable(m image.Manifest) error
}

// Kernels is the catalog of kernels.
type Kernels interface {
	Import(ctx context.Context, name, dir string, p operation.Progress) (kernel.Manifest, error)
	Pull(ctx context.Context, name string, force bool, p operation.Progress) (kernel.Manifest, error)
	// Offers are what catalogs have for this host, and the problems that were met.
	Offers(ctx context.Context) ([]kernel.Offer, []error, error)
	List(ctx context.Context) ([]kernel.Manifest, error)
	Get(ctx context.Context, name string) (kernel.Manifest, error)
	// Remove says who used the kernel, and keeps one of their own.
	Remove(ctx context.Context, name string) ([]string, error)
}

// Operations runs long work and remembers it.
type Operations interface {
	Start(ctx context.Context, kind, subject string, work operation.Work) (operation.Operation, error)
	Get(ctx context.Context, id string) (operation.Operation, error)
	List(ctx context.Context) ([]operation.Operation, error)
	Cancel(ctx context.Context, id string) (operation.Operation, error)
	Watch(ctx context.Context, id string) (<-chan operation.Operation, error)
}

// Daemon is what the server must know of, and may ask of, its own process.
type Daemon interface {
	// Ping describes the daemon.
	Ping(ctx context.Context) api.Ping
	// Active is how many operations are under way.
	Active() int
	// Stop begins the daemon's end and returns at once.
	Stop()
	// ImageDiskUsage is what an image takes on the host's disk, in bytes: its filesystem,
	// its layers and its own kernel.
	ImageDiskUsage(id string) int64
	// VMDiskUsage is what a VM's own disk takes there.
	VMDiskUsage(id string) int64
	// HostStats measures the host.
	HostStats(ctx context.Context) api.HostStats
}

// Web is who is let into the web console.
type Web interface {
	// Link makes a URL that signs one browser in, until ends.
	Link() (url string, ends time.Time, err error)
	// SignOut ends the sessions of all browsers, and says how many.
	SignOut() (int, error)
}

// Services is all that the API gives access to: one field for each thing it is about.
type Services struct {
	VMs        VMs
	Creations  Creations
	Guests     Guests
	Consoles   Consoles
	Resolver   Resolver
	Sessions   Sessions
	Workspaces Workspaces
	Snapshots  Snapshots
	Images     Images
	Kernels    Kernels
	Templates  Templates
	Operations Operations
	Daemon     Daemon
	System     System
	Events     Events
	Web        Web
	Host       Host
}
