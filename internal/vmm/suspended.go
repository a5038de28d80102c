package vmm

import "os"

// Suspension tells what a machine was when it was suspended.
type Suspension struct {
	// Shape is the Driver's of the machine's Spec.
	Shape string
	// TSCKHz is the rate of the CPUs' time-stamp counter as the guest was told it; 0: it was not.
	TSCKHz int64
}

// Suspended is a machine that Machine.Suspend wrote. One machine goes on from it, once: its disks
// are other ones as soon as it runs.
type Suspended struct {
	Suspension
	// From is what was written, from its position on. The caller closes it.
	From *os.File
	// Claim is called when the machine is loaded, before its guest runs; an error ends the
	// machine, and is returned by Start.
	Claim func() error
}

// Check is Saved.Check.
func (s Suspended) Check(shape string, tscKHz int64) error {
	return checkMachine(s.Shape, shape, s.TSCKHz, tscKHz)
}
