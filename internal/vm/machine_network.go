package vm

import (
	"context"
	"net/netip"
	"time"
)

// NetworkMachine is what a Machine does for its guest's network. Conflict when
// its monitor is of a build that cannot.
type NetworkMachine interface {
	// SetEgress replaces the policy; flows that it does not allow are cut.
	SetEgress(ctx context.Context, policy string) error
	// SetNeighbours says which other VMs this one may reach: all of them.
	SetNeighbours(ctx context.Context, all []Neighbour) error
	// Stats tells what the machine takes.
	Stats(ctx context.Context) (Stats, error)
}

// PortMachine is what a Machine does between ports of the host and its guest.
// Conflict when its monitor is of a build that cannot.
type PortMachine interface {
	Ports(ctx context.Context) (Ports, error)
	// AddForward returns the forward as it was made.
	AddForward(ctx context.Context, f Forward) (Forward, error)
	// RemoveForward removes the forward with the Proto and Host of f. NotFound
	// when there is none.
	RemoveForward(ctx context.Context, f Forward) error
}

// Neighbour is another VM of the same group, that is alive.
type Neighbour struct {
	VMID     string
	Name     string
	Address4 netip.Addr
	Address6 netip.Addr
}

// Ports is what of a guest can be reached on the host.
type Ports struct {
	Ports    []Port
	Forwards []Forward // all that were asked for and not removed
}

// Port is a port of a guest that listens, or that is forwarded to.
type Port struct {
	Proto        string // "tcp" or "udp"
	GuestAddress []string
	GuestPort    uint16
	HostAddress  string // empty: it is not on the host, and Problem says why
	HostPort     uint16
	Problem      string
	Source       string // "auto", "published" or "forward"
	Listening    bool   // something in the guest listens there
	Loopback     bool   // it is bound to the guest's loopback only
	Scheme       string // "https" or "http", of a web server
	PID          int
	Process      string
	Command      string
}

// Forward leads from a listener of the host into a guest.
type Forward struct {
	Proto string // "tcp", "udp" or "unix"
	Host  string // "ADDRESS:PORT", port 0 meaning any; or the absolute path of a Unix socket
	Guest string // a port, "ADDRESS:PORT", or the absolute path of a Unix socket
}

// Stats is what a machine takes. Totals count from its start; sizes are bytes.
type Stats struct {
	At              time.Time
	CPU             time.Duration // of the VMM process, user and system
	VCPU            int
	HostMemoryBytes int64 // resident, of the VMM process
	MonitorBytes    int64 // resident, of the monitor
	DiskReadBytes   int64
	DiskWriteBytes  int64
	NetInBytes      int64 // to the guest
	NetOutBytes     int64
	Flows           int
	FlowsDenied     int64
	// Devices is what the VMM has counted since the guest last booted; nil: it is not known.
	Devices *Devices
}

// Devices are the guest's, as the VMM counts them.
type Devices struct {
	DiskReads      int64 // the guest's requests, whatever answered them
	DiskReadBytes  int64
	DiskWrites     int64
	DiskWriteBytes int64
	DiskFlushes    int64
	DiskErrors     int64
	ReclaimedBytes int64 // free memory that the guest gave back
}
