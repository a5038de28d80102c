package vmm

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
)

// Driver runs machines on one VMM in one way. It is safe for concurrent use.
type Driver interface {
	// Name is the driver's name in config.toml, in spec.json and in what users see.
	Name() string
	// Look says whether the driver can run machines on this host. program is the
	// configured path or name of its VMM; empty: the driver finds it. It only reads,
	// and ends soon after ctx.
	Look(ctx context.Context, host *Host, program string) Finding
	// Boots returns nil if machines of the driver can boot this kernel. Otherwise
	// the fault is Invalid and says what the kernel lacks.
	Boots(k Kernel) error
	// Needs is what this executable of its VMM needs of the host, besides what a Spec
	// names.
	Needs(program string) Needs
	// Start starts a machine and returns when its VMM answers, while the guest
	// boots, or goes on From where it was saved. ctx bounds the start only. The machine
	// lives until the guest, a signal or the end of this process ends it. After an error
	// nothing is left of it.
	Start(ctx context.Context, spec Spec, site Site) (Machine, error)
	// Shape is what a machine must have in common with a saved one to start From it,
	// besides its kernel and initramfs: all that the guest saw of the machine, and nothing that is one
	// VM's own. A driver that cannot save machines says so, as Unavailable.
	Shape(spec Spec) (string, error)
	// Sweep removes what a machine of this Spec, of which no process is left, has outside of
	// what its next start replaces. dir is the Site's Dir. Nothing there is no error.
	Sweep(dir string, spec Spec) error
}

// Kernel is what decides whether a VMM can boot a kernel.
type Kernel struct {
	Name         string
	Architecture string // as in GOARCH; empty: not known
	PVH          bool   // an amd64 vmlinux has the PVH entry point
}

// Needs are paths of the host for a VMM; those that do not exist are passed over.
type Needs struct {
	Read    []string // to read and execute, with all below
	Devices []string // to read, write and control
	// Opens: it opens its disks and makes its sockets in the run directory itself.
	Opens bool
	// MemoryBytes is what it may have beside the guest's memory, the page cache of
	// its disks included, and Threads beside those of the virtual CPUs.
	MemoryBytes int64
	Threads     int64
}

// Spec is one machine. Paths are absolute.
type Spec struct {
	Name    string
	Program string // the VMM's executable
	VCPU    int
	// Nested gives the guest's CPUs the means of the host's to run VMs themselves. Without
	// it they have none.
	Nested      bool
	MemoryBytes int64
	Kernel      string // uncompressed ELF vmlinux
	Initramfs   string // uncompressed newc cpio
	// CmdlineExtra is appended to the driver's own kernel command line.
	CmdlineExtra string
	Disks        []Disk
	NIC          *NIC // nil: none
	// Saves: the machine can be saved.
	Saves bool
	// Resume is a suspended machine to go on from, with its own disks; nil: it boots, or goes on
	// From. What cannot be started so is Unavailable.
	Resume *Suspended
	// From is a saved machine to go on from, with the disks of this Spec; nil: it boots.
	// The caller closes it after Start. What cannot be started From it is Unavailable.
	From *Saved
	// JailUID is the user and group that the VMM runs as in Firecracker's jailer; 0: it
	// runs as this user, without.
	JailUID int
}

// NIC is a virtio-net device.
type NIC struct {
	MAC string
	MTU int
}

// Site is the place of a VM's machines, and what surrounds them.
type Site struct {
	// Dir is the run directory. While a machine lives, VsockSocket is there.
	Dir string
	// Console takes what the guest's serial console says, as it comes. Nil: the guest
	// has none, where the driver can do without.
	Console io.Writer
	// NIC is given our end of the frames' stream each time a machine with a network
	// starts, before the guest runs, and owns it: each Ethernet frame is behind its
	// length in four bytes, big-endian. It returns at once. Nil: nothing is behind
	// the NIC. A machine that does not start or ends closes the other end; a paused
	// one reads nothing.
	NIC func(net.Conn)
	// Group is the directory of the control group for VMMs; empty: none.
	Group string
	// Room is what a VMM sees of the host's files: see confine.Plan; empty: all.
	Room string
	// Confine starts `bangerd confine`, by which a VMM gives up what it does not need.
	// Empty: it gives up nothing.
	Confine []string
	Log     *slog.Logger
}

// VsockSocket is the socket of the agent channel in the run directory, by
// Firecracker's hybrid vsock contract: a host's connection sends "CONNECT PORT\n"
// and reads "OK N\n"; the guest's connections to port P of the host go to the
// socket VsockSocket_P.
const VsockSocket = "vsock.sock"

// Machine is one run of a VMM. Its methods are safe for concurrent use and
// harmless once it has ended.
type Machine interface {
	// PID is the VMM's process id.
	PID() int
	// Confinement says what the VMM gave up of the host, as words for people.
	Confinement() string
	// EndsByReset reports that the machine ends only when its guest resets it: its
	// VMM does not see a guest power off, and each end of its own is a GuestReset.
	EndsByReset() bool
	// GoesDown says that the guest has announced to power off. A machine that
	// EndsByReset is ended soon if its guest has halted.
	GoesDown()
	// DiskSerial is the serial by which the guest finds the disk of this name.
	DiskSerial(name string) string
	// Events are what happens to the machine, in order. The last one is
	// Exited, then the channel is closed, the process is reaped and its sockets are
	// gone; the receiver drains it. An event that a method causes is in the channel
	// before that method returns.
	Events() <-chan Event
	// Pause and Resume stop the virtual CPUs and let them run. Doing what is
	// done already is no error. Resume tries again what stopped the machine by an
	// IOError.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Press presses ctrl-alt-del in the guest.
	Press(ctx context.Context) error
	// Save stops a machine whose Spec.Saves, and ends it also when it fails: Exited
	// follows. Nothing is left of the guest's connections. The caller closes what
	// it returns.
	Save(ctx context.Context) (Saved, error)
	// Suspend stops the machine and writes all that it is, but for its disks, which are synced.
	// It stands still then: Signal ends it, or Resume has it go on. After an error it runs,
	// unless it was paused before, or has ended. A VMM that cannot do it is Unavailable.
	// It returns soon after ctx has ended, or a write has failed.
	Suspend(ctx context.Context, to io.Writer) (Suspension, error)
	// Counters asks the VMM what it has counted. On an error they are the last ones known.
	Counters(ctx context.Context) (Counters, error)
	// Signal sends a signal to the VMM process. SIGTERM ends it in order. A process
	// that has ended is no error.
	Signal(sig os.Signal) error
}
