package vmm

import "github.com/bangervm/banger/internal/fault"

// Finding says whether a driver can run machines on a host, and why.
type Finding struct {
	Driver string // its name
	// Program is the absolute path of the VMM, for Spec.Program; empty: there is none.
	Program string
	// Facts are what the driver looked at. The first one that is Missing is the cause
	// for which it cannot run machines.
	Facts []Fact
	// Nesting says whether Spec.Nested can be asked of the driver on this host. Its zero
	// value: the driver does not know it.
	Nesting Fact
	// ConsoleCosts says that a serial console slows the boot: machines have one only where a
	// VM asks for it.
	ConsoleCosts bool
	// Note is what users of the driver should know, as a clause; empty: nothing.
	Note string
}

// Fact is one thing that a driver looked at.
type Fact struct {
	About Subject
	State State
	// Reason says what was found, as a clause.
	Reason string
	// Remedy is what to type or to change; empty when the state is Good.
	Remedy string
}

// Subject is what a Fact is about.
type Subject int

// The subjects.
const (
	AboutProgram Subject = iota + 1 // the VMM's executable
	AboutKVM                        // hardware virtualisation
	AboutTAP                        // a TAP device without root
	AboutJail                       // what a jail for the VMM needs
	AboutNesting                    // guests that are hosts of KVM themselves
)

// State is how a Fact bears on the driver.
type State int

// The states.
const (
	Good     State = iota + 1
	Doubtful       // the driver works, but was not tested like this
	Missing        // the driver cannot run machines
)

// Cause is the first fact for which the driver cannot run machines; ok is false
// when it can.
func (f Finding) Cause() (cause Fact, ok bool) {
	for _, fact := range f.Facts {
		if fact.State == Missing {
			return fact, true
		}
	}
	return Fact{}, false
}

// Fact is what was found about a subject; ok is false when the driver did not look.
func (f Finding) Fact(about Subject) (fact Fact, ok bool) {
	for _, fact := range f.Facts {
		if fact.About == about {
			return fact, true
		}
	}
	return Fact{}, false
}

// NestingErr is why Spec.Nested cannot be asked of the driver on this host, as an
// Unavailable fault; nil when it can.
func (f Finding) NestingErr() error {
	switch f.Nesting.State {
	case Good:
		return nil
	case Missing:
		return fault.New(fault.Unavailable, "cannot nest VMs: %s", f.Nesting.Reason).WithHint("%s", f.Nesting.Remedy)
	default:
		return fault.New(fault.Unavailable, "cannot nest VMs: the driver %s does not support it", f.Driver).
			WithHint("choose another driver for the VM, or create it without nesting")
	}
}

// Err is the cause as an Unavailable fault; nil when the driver can run machines.
func (f Finding) Err() error {
	cause, ok := f.Cause()
	if !ok {
		return nil
	}
	return fault.New(fault.Unavailable, "%s", cause.Reason).WithHint("%s", cause.Remedy)
}
