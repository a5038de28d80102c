package monitor

import (
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vmm"
)

// onGoingDown takes the guest's word that it goes down.
func (s *supervisor) onGoingDown(kind agentrpc.DownKind) {
	s.announced, s.goes = true, kind
	s.status.Phase = monitorrpc.PhaseStopping
	if kind == agentrpc.DownPoweroff {
		s.machine.GoesDown()
	}
}

// asAnnounced takes a guest's word for why it reset a machine that ends by nothing else.
func (s *supervisor) asAnnounced(e vmm.Exit) vmm.Exit {
	poweroff := s.announced && s.goes == agentrpc.DownPoweroff
	if poweroff && e.Cause == vmm.GuestReset && s.machine.EndsByReset() {
		return vmm.Exit{Cause: vmm.GuestOff, Detail: "the guest powered off"}
	}
	return e
}
