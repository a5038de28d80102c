package vm

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
)

// Store keeps the records of VMs. Names are unique in it, ids and indexes too. All errors
// are faults: Conflict for a name that is taken, NotFound for an unknown id.
// Each method is atomic and safe for concurrent use.
type Store interface {
	// Insert adds a VM; Conflict when its name is taken, or its Index, which has
	// ErrIndexTaken in the chain.
	Insert(ctx context.Context, v VM) error
	// Lookup returns the VM whose name is ref and those whose id begins with
	// ref, in the order of their ids, at most limit of them (the named one
	// always). No match is no error.
	Lookup(ctx context.Context, ref string, limit int) ([]VM, error)
	// List returns all VMs, oldest first.
	List(ctx context.Context) ([]VM, error)
	// Update reads the VM with this id, applies change, and stores the result,
	// as one transaction. An error of change is returned as it is, and nothing
	// is stored. NotFound when there is no such VM.
	Update(ctx context.Context, id string, change func(*VM) error) (VM, error)
	// Delete removes the VM with this id. One that is not there is no error.
	Delete(ctx context.Context, id string) error
}

// Events hears of what has changed, once it is stored, and in that order. Its methods
// must not wait.
type Events interface {
	VMCreated(v VM)
	VMChanged(v VM)
	VMDeleted(v VM)
	// PortsChanged tells that the ports of a VM on the host may be others.
	PortsChanged(v VM)
	// SnapshotChanged tells what became of a snapshot of a VM.
	SnapshotChanged(v VM, one snapshot.Snapshot, what SnapshotHappening)
	// EgressHappened tells of a denial, or of the first use of a name. missed is how many
	// there were before it that nobody tells of.
	EgressHappened(v VM, r EgressRecord, missed int64)
}

// Machines starts and finds the machines of VMs, each held by a monitor
// process that outlives bangerd.
type Machines interface {
	// Start writes spec.json, removes the exit of the start before, and starts
	// the VM's monitor. It returns when the monitor answers (the guest may not
	// have booted). On an error, also when ctx ends first, no monitor is left.
	Start(ctx context.Context, spec Spec) (Machine, error)
	// Adopt finds the living machine of a VM. The fault is NotFound only when
	// there is surely none; any other error says nothing about its life.
	Adopt(ctx context.Context, vmID string) (Machine, error)
	// End ends the machine of a VM and its monitor at once, by signals, whether or
	// not it answers. It returns when both are gone; no monitor is no error.
	End(ctx context.Context, vmID string) error
	// LastExit reads how the VM's last ended start went (exit.json). NotFound when
	// no exit is recorded.
	LastExit(ctx context.Context, vmID string) (Exit, error)
}

// Machine is one start of a VM, as its monitor shows it. It holds nothing that
// needs closing. Once the machine is gone its methods return Unavailable.
type Machine interface {
	// Events sends the present status at once and then one for each change
	// (bursts may be coalesced; the last one is never lost). It is closed
	// after the status with PhaseExited, when the monitor is gone, or when ctx
	// ends; receivers must drain it or end ctx.
	Events(ctx context.Context) (<-chan Status, error)
	// Pause stops the guest's CPUs; Resume lets them run, and sets the guest's clock.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Suspend writes the machine to disk and ends it: the end is an event. After an error it runs
	// on, or has ended. When ctx ends first it is given up.
	Suspend(ctx context.Context) error
	// Stop asks the guest to go down, and ends the machine hard after timeout
	// (zero: at once). It returns when the monitor has taken the request; the
	// end is an event.
	Stop(ctx context.Context, timeout time.Duration) error
	// Kill sends a signal, by number, to the VMM process.
	Kill(ctx context.Context, signal int) error

	NetworkMachine
	PortMachine
}

// Templates are saved machines that wait for an identity.
type Templates interface {
	// For returns the one that a start of spec goes on from; nil: it boots. A missing one
	// may be made for later starts.
	For(ctx context.Context, spec Spec, k Kernel) *Template
	// Failed tells that a start could not go on from the one with this key.
	Failed(ctx context.Context, key string)
}

// Phase is how far a start has come.
type Phase string

// The phases, in order; they equal those of the monitor's protocol.
const (
	PhaseBooting     Phase = "booting"
	PhaseConfiguring Phase = "configuring"
	PhaseReady       Phase = "ready"
	PhaseStopping    Phase = "stopping"
	PhaseExited      Phase = "exited"
)

// Status is what a monitor says of its machine. Times are UTC, zero when it has
// not happened.
type Status struct {
	StartID    string
	Driver     string
	Build      string // of the monitor
	MonitorPID int
	VMMPID     int // 0 until the VMM runs
	Phase      Phase
	Paused     bool
	Stage      string // the agent's, while configuring
	Init       string // what PID 1 is, once ready
	AgentOK    bool   // the agent is connected
	Agent      string // its build
	Boots      int
	Warning    string // why the VMM stopped by itself
	// Notes say what the guest does without, and why, once it is ready.
	Notes   []string
	ReadyAt time.Time
	// Boot is how far the start came; zero: a monitor of an older build.
	Boot BootTimeline
	// Entrypoint is how the image's program is; nil: the agent does not run it, or did
	// not say yet.
	Entrypoint *Entrypoint
	// PortsChanged counts the changes of its ports on the host; 0: it is not known.
	PortsChanged int64
	// EgressNews are the latest denials and first uses of names.
	EgressNews []EgressNews
	// EntrypointHealth is what its health check says; nil: it has none, or does not run.
	EntrypointHealth *EntrypointHealth
	// Confinement is what the VMM, and MonitorConfinement what the monitor gave up of
	// the host, as words for people; empty: nothing, or it is not known.
	Confinement        string
	MonitorConfinement string

	Exit Exit // in PhaseExited only
}

// Disks keeps each VM's directory, with its disk and its identity.
type Disks interface {
	// Create makes the VM's directory and its disk, sparse and formatted, of
	// this many bytes. Made before, with that size, it is left alone.
	Create(ctx context.Context, vmID string, bytes int64) error
	// Grow makes the disk larger. The guest grows its filesystem at the next start.
	Grow(ctx context.Context, vmID string, bytes int64) error
	// Path is where the VM's disk is.
	Path(vmID string) string
	// Remove removes the VM's directory with all that is in it. No directory is no error.
	Remove(ctx context.Context, vmID string) error
	// Sweep removes what earlier daemons left half-made, and returns the ids
	// that have a directory.
	Sweep(ctx context.Context) ([]string, error)
}

// Identity is what makes a VM this one and no other, through all its starts.
type Identity struct {
	MachineID string // 32 lower-case hex digits
	Token     string // authorises at the agent's HTTP API
	HostKey   string // OpenSSH private key, PEM
	// HostPublicKey is HostKey's public half in authorized_keys form, without a comment.
	HostPublicKey string
}

// Identities keeps the identity of each VM, and the keys that may enter.
type Identities interface {
	// Ensure returns the VM's identity, which it makes the first time. The
	// VM's directory exists.
	Ensure(ctx context.Context, vmID string) (Identity, error)
	// AuthorizedKeys returns the authorized_keys lines of this user's clients.
	AuthorizedKeys(ctx context.Context) ([]string, error)
}

// Names is told by which names VMs are known.
type Names interface {
	// Named makes the VM, which has its identity, known by this name and by no
	// other; empty: by none.
	Named(ctx context.Context, vmID, name string) error
}

// Image is what a VM needs of its image.
type Image struct {
	ID     string
	Digest string // of what it was made from; empty: not known
	Name   string
	Rootfs string // path of the read-only ext4
	Pin    *Pin   // what that file must be; nil: it is banger's own
	Kernel string // the kernel its VMs get unless they name one; may be empty
	// PreferKernel is what they get if it is local, and nothing names another; may be empty.
	PreferKernel string
	MemoryBytes  int64 // the memory its VMs get at least unless they ask for some; 0: as configured
	DiskBytes    int64 // the disk its VMs get unless they ask for another; 0: as configured
	Config       image.Config
}

// Images finds images.
type Images interface {
	// Resolve finds an image by name, or id, or unique prefix of an id, and
	// may obtain one that is not local. NotFound otherwise.
	// The platform, as image.ParsePlatform reads it, is what the image must be for; empty:
	// this host. Invalid, here and from ByID, when this host cannot boot it.
	Resolve(ctx context.Context, name, platform string, p operation.Progress) (Image, error)
	// ByID finds a local image by its whole id. NotFound otherwise.
	ByID(ctx context.Context, id string) (Image, error)
	// Release is called when a VM of the image with this id is gone: an image without a
	// name goes with its last VM.
	Release(ctx context.Context, id string) error
}

// Kernel is what a VM needs of its kernel.
type Kernel struct {
	Name         string
	Architecture string // as in GOARCH; empty: not known
	Dir          string // where its files are
	Vmlinux      string // path of the uncompressed ELF
	Modules      string // path of the read-only ext4 with its modules; empty: none
	PVH          bool   // an amd64 Vmlinux has the PVH entry point
	SHA256       string // of Vmlinux, hex digits; empty: not known
}

// Kernels finds kernels. Each VM keeps one of its own, so that it boots whatever
// becomes of the one that it was made with.
type Kernels interface {
	// Obtain finds a kernel by name, and may get one that is not local. An empty
	// name means the default kernel.
	Obtain(ctx context.Context, name string, p operation.Progress) (Kernel, error)
	// Local finds a local kernel by name, and gets none.
	Local(ctx context.Context, name string) (Kernel, error)
	// OfImage returns the kernel that an image owns. NotFound when it owns none.
	OfImage(ctx context.Context, imageID string) (Kernel, error)
	// Keep gives a VM, whose directory exists, the kernel k for its own. One that
	// has a kernel keeps that.
	Keep(ctx context.Context, vmID string, k Kernel) error
	// Replace gives a stopped VM a copy of the local kernel called name, in the place
	// of the one it has, in one step, unless may returns an error for it, which it returns
	// too. NotFound when there is none.
	Replace(ctx context.Context, vmID, name string, may func(Kernel) error) error
	// Of returns the VM's own kernel. A VM that was made before VMs had their own
	// is given the kernel called name first.
	Of(ctx context.Context, vmID, name string) (Kernel, error)
	// Initramfs returns the path of the initramfs for a kernel, built once for
	// each kernel and agent.
	Initramfs(ctx context.Context, k Kernel) (string, error)
}

// HostFacts is what VMs can have of this host.
type HostFacts struct {
	CPUs         int
	MemoryBytes  int64
	DiskBytes    int64 // size of the filesystem that holds the VMs' disks
	Architecture string
	BootID       string // new each time the host boots
}

// Driver is what runs a machine.
type Driver struct {
	Name string
	VMM  string // the executable
	// JailFirstUID is the user that the VMM of the VM with MinIndex runs as in Firecracker's
	// jailer, and the first of one for each index; 0: without the jailer.
	JailFirstUID int
	// ConsoleCosts says that a machine has a serial console only if its VM asks for it.
	ConsoleCosts bool
}

// DriverAsk is what a machine asks of its driver.
type DriverAsk struct {
	Nested bool   // the guest can run VMs itself
	Kernel Kernel // that it boots; zero: it is not known yet
}

// Host tells of this machine.
type Host interface {
	Facts(ctx context.Context) (HostFacts, error)
	// Driver is the one of this name, or for an empty name what a machine runs on that
	// has none yet, which may be the first one that can do what is asked. Unavailable,
	// with a hint, when it cannot run machines, or none that nest; Invalid for an unknown
	// name, and when it cannot boot the kernel.
	Driver(ctx context.Context, name string, ask DriverAsk) (Driver, error)
}

// Workspaces knows of work on the disks of VMs that is nowhere else.
type Workspaces interface {
	// Unsaved says what would be lost with all of a VM's disk but the
	// directories keep of the guest, as a predicate of the VM ("has unexported
	// work in …"); empty: nothing. A running guest is looked at now; a guest that
	// cannot be is an error.
	Unsaved(ctx context.Context, v VM, keep []string) (string, error)
	// Stopping is told before the guest of a living VM is asked to go down, or,
	// without gently, before the machine is ended.
	Stopping(ctx context.Context, v VM, gently bool)
	WorkspaceCopies
}

// WorkspaceCopies are workspaces as they go with a copy of a VM's disk.
type WorkspaceCopies interface {
	// Save puts what is known of a VM's workspace, and all that its export needs, into dir,
	// which does not exist, and returns where it is in the guest. A VM that has none gets no dir.
	Save(ctx context.Context, v VM, dir string) (path string, work snapshot.Work, err error)
	// Load gives a VM, which is not alive, the workspace that Save put into dir; without dir
	// the VM has none. What of its present one was exported or applied since stays known.
	Load(ctx context.Context, vmID, dir string) error
	// Copy gives the VM with the ID to, which has none, the workspace of v.
	Copy(ctx context.Context, v VM, to string) error
}

// Quiet asks guests to write to their disks what they hold back.
type Quiet interface {
	// Sync returns when the guest has done so. A guest that cannot is an error.
	Sync(ctx context.Context, vmID string) error
}

// PortWaiter waits for a TCP port of a guest.
type PortWaiter interface {
	// WaitPort returns when something in the guest accepts connections on
	// the port, or with ctx's error.
	WaitPort(ctx context.Context, vmID string, port int) error
}
