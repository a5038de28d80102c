package monitor

import (
	"context"
	"os"

	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// Machine is one run of a VMM, as a driver gives it. Its methods are safe for
// concurrent use and harmless once it has ended.
type Machine interface {
	// PID is the VMM's process id.
	PID() int
	// Confinement says what the VMM gave up of the host, as words for people.
	Confinement() string
	// Events are what happens to the machine, in order. The last one is
	// Exited, then the channel is closed; the receiver drains it. An event that
	// a method causes is in the channel before that method returns.
	Events() <-chan vmm.Event
	// Pause and Resume stop the virtual CPUs and let them run. Doing what is
	// done already is no error.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Press presses ctrl-alt-del in the guest.
	Press(ctx context.Context) error
	// Signal sends a signal to the VMM process. SIGTERM ends it in order.
	Signal(sig os.Signal) error
}

// Starter starts a machine and returns when the VMM answers, while the guest
// boots. ctx bounds the start only.
type Starter func(ctx context.Context, spec vm.Spec) (Machine, error)
