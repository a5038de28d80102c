// Package vmm is the seam of virtual machine monitors: what a driver is, what a
// machine is, and how a host looks to drivers. Each driver has a package below it.
package vmm

import "fmt"

// Event is what a driver reports of a machine. Kind says which of the other
// fields count.
type Event struct {
	Kind EventKind
	// Reason is why the machine stopped by itself (IOError): one line for people.
	Reason string
	// Exit is how the process ended (Exited).
	Exit Exit
}

// EventKind is the kind of an Event.
type EventKind int

// The kinds. Exited is the last event of a machine.
const (
	Paused  EventKind = iota + 1 // the virtual CPUs stand still
	Resumed                      // they run again
	IOError                      // a disk could not be read or written; the machine stands still until it is resumed
	Exited
)

// Exit is how a VMM process ended.
type Exit struct {
	Cause Cause
	// Signal is the number of the signal that ended the process, 0 if none did.
	Signal int
	// Detail is one line for people: the exit status or the signal, and what
	// the VMM last said.
	Detail string
}

// Cause is why a VMM process ended.
type Cause int

// The causes.
const (
	Failed       Cause = iota + 1 // it ended by itself, or by a signal that it did not handle
	GuestOff                      // the guest powered the machine off
	GuestReset                    // the guest reset the machine
	HostShutdown                  // the VMM was told to end and did so in order
)

// String names the cause for logs.
func (c Cause) String() string {
	switch c {
	case Failed:
		return "failed"
	case GuestOff:
		return "guest-off"
	case GuestReset:
		return "guest-reset"
	case HostShutdown:
		return "host-shutdown"
	default:
		return fmt.Sprintf("cause %d", int(c))
	}
}
