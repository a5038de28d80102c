package monitor

import (
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// helloLimit is how long a boot may take to the agent's Hello, before the
	// machine is reset: under emulation, on a busy host, a kernel rarely hangs on
	// its way there. It is done maxHung times a start; the ready timeout bounds
	// them together.
	helloLimit = 45 * time.Second
	maxHung    = 2
	// A VMM that had less than hungCPU of the CPU may only be slow, on a host as
	// busy: it is looked at again each helloAgain, for as long as it takes
	// stillCPU in between.
	helloAgain = 15 * time.Second
	hungCPU    = 20 * time.Second
	stillCPU   = 100 * time.Millisecond
)

// onNoHello resets a boot that hangs before its agent came up. Nothing of the
// guest's runs yet, so no disk is mounted.
func (s *supervisor) onNoHello() {
	switch {
	case s.wasReady || s.stopping || s.forced || s.status.Phase != monitorrpc.PhaseBooting || s.hungBoots == maxHung:
	case s.resuming: // it has its disks mounted: only the limit of being ready ends it
	case s.status.Paused: // it cannot say hello
		s.hello.Reset(s.patient(helloLimit))
	case s.restored:
		s.giveUpRestored("the saved machine did not answer within " + s.helloLimit().String())
	case s.onlySlow():
		s.hello.Reset(helloAgain)
	default:
		s.hungBoots++
		s.hung = true
		s.log.Warn("the guest hangs while it boots; resetting it",
			"after", s.patient(helloLimit).String(), "boot", s.status.Boots, "console", s.console(consoleLines))
		s.signal(killSignal)
	}
}

// onlySlow reports whether the VMM was given too little of the CPU to be judged,
// and makes use of what it gets.
func (s *supervisor) onlySlow() bool {
	used := s.cpu(s.status.VMMPID)
	progress := used - s.looked
	s.looked = used
	return used < s.patient(hungCPU) && progress >= stillCPU
}

// patient is a limit of a boot, and as many times longer as the guest may take longer to
// be ready than others do.
func (s *supervisor) patient(limit time.Duration) time.Duration {
	longer := s.readyTimeout().Seconds() / vm.OrdinaryReadyTimeout.Seconds()
	return max(limit, time.Duration(longer*float64(limit)))
}
