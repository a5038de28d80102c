package vm

import (
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// Reachable returns nil if the VM is in one of the states in, in which the
// caller can work with its guest. Otherwise it returns a Conflict that says
// what the VM is, and what to do about it.
func (v VM) Reachable(in ...State) error {
	switch {
	case slices.Contains(in, v.State):
		return nil
	case v.State == Paused, v.State == Suspended:
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).Try(act.VMResume.On(v.Name))
	default:
		return fault.New(fault.Conflict, "VM %s is not running: it is %s", v.Name, v.State).
			Try(act.VMStart.On(v.Name))
	}
}
